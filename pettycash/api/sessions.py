"""One's own sessions."""

from typing import Any
from uuid import UUID

from flask import g
from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.access.identity import sessions
from pettycash.services.access.identity.lists import SESSIONS
from pettycash.services.access.identity.sessions import SessionNotFound
from pettycash.services.foundation import security_log
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.web.admission import current_actor, operation
from pettycash.web.pages import page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.auth import SessionSchema

blp = Blueprint(
    "sessions", __name__, url_prefix="/api/auth/sessions", description="Where one is signed in."
)

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01",
            "started_at": "2026-11-20T06:00:00+00:00",
            "last_seen_at": "2026-11-20T06:25:00+00:00",
            "ends_at": "2026-11-20T14:00:00+00:00",
            "purpose": "full",
            "ip_address": "192.0.2.7",
            "user_agent": "curl/8.5",
            "is_current": True,
        }
    ],
    "next_cursor": None,
    "people": {},
}


@blp.route("/")
class Sessions(MethodView):
    @operation("sessions.list")
    @blp.arguments(query_of(SESSIONS), location="query")
    @blp.response(200, page_of(SessionSchema), example=EXAMPLE)
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List one's own live sessions in this company, the newest first."""
        with transaction() as session:
            found = page(Uow.of(session, current_actor()), SESSIONS, arguments)
        for each in found.items:
            each.is_current = each.family_id == g.get("auth_family_id")
        return found


@blp.route("/<uuid:session_id>/")
class Session(MethodView):
    @operation("sessions.revoke")
    @blp.response(204)
    @refuses(SessionNotFound)
    def delete(self, session_id: UUID) -> None:
        """End one of one's own sessions at once."""
        actor = current_actor()
        with transaction() as session:
            sessions.revoke(
                session, user_id=actor.user_id, family_id=session_id, now=session.info["now"]
            )
            security_log.record(
                session,
                event="auth.session_revoked",
                outcome="ok",
                detail={"session_id": str(session_id)},
                actor=actor,
            )
