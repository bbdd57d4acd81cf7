"""The security log, for those who audit it. Reading it is logged too."""

from typing import Any

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.access.identity.lists import SECURITY_EVENTS
from pettycash.services.foundation.listings import ListPage, page
from pettycash.web.admission import current_actor, operation
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.schemas.security_events import (
    EXAMPLE_SECURITY_EVENT,
    SecurityEventSchema,
)

blp = Blueprint(
    "security_events",
    __name__,
    url_prefix="/api/security-events",
    description="Sign-ins, refusals, money steps and changes of consequence; append-only.",
)


@blp.route("/")
class SecurityEvents(MethodView):
    @operation("security_events.list")
    @blp.arguments(query_of(SECURITY_EVENTS), location="query")
    @blp.response(200, page_of(SecurityEventSchema), example=example_page(EXAMPLE_SECURITY_EVENT))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List security events, the newest first; administrators see those about access."""
        with transaction() as session:
            return page(session, SECURITY_EVENTS, current_actor(), arguments)
