"""The security log, for those who audit it. Reading it is logged too."""

from typing import Any

from flask.views import MethodView
from sqlalchemy import select

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.pages import example_page, optional, page, page_of, within_days
from pettycash.api.schemas.security_events import (
    EXAMPLE_SECURITY_EVENT,
    SecurityEventQuery,
    SecurityEventSchema,
)
from pettycash.db import transaction
from pettycash.models.identity import SecurityEvent
from pettycash.models.people import User
from pettycash.services import company_settings, visibility

blp = Blueprint(
    "security_events",
    __name__,
    url_prefix="/api/security-events",
    description="Sign-ins, refusals, money steps and changes of consequence; append-only.",
)


@blp.route("/")
class SecurityEvents(MethodView):
    """The security log of the company."""

    @operation("security_events.list")
    @blp.arguments(SecurityEventQuery, location="query")
    @blp.response(200, page_of(SecurityEventSchema), example=example_page(EXAMPLE_SECURITY_EVENT))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List security events, the newest first; administrators see those about access."""
        with transaction() as session:
            timezone = company_settings.current(session).timezone
            query = (
                select(SecurityEvent, User.username)
                .outerjoin(User, User.id == SecurityEvent.user_id)
                .where(
                    visibility.security_events(current_actor()),
                    optional(SecurityEvent.event, arguments["event"]),
                    optional(SecurityEvent.outcome, arguments["outcome"]),
                    optional(SecurityEvent.user_id, arguments["user_id"]),
                    optional(SecurityEvent.ip_address, arguments["ip_address"]),
                    optional(SecurityEvent.request_id, arguments["request_id"]),
                    within_days(SecurityEvent.created_at, arguments, timezone),
                )
            )
            found = page(session, query, order=(SecurityEvent.id.desc(),), arguments=arguments)
            return {
                **found,
                "items": [
                    {
                        "id": event.id,
                        "created_at": event.created_at,
                        "event": event.event,
                        "outcome": event.outcome,
                        "user_id": event.user_id,
                        "username": username,
                        "ip_address": event.ip_address,
                        "request_id": event.request_id,
                        "detail": event.detail,
                    }
                    for event, username in found["items"]
                ],
            }
