"""One's own sessions: where one is signed in."""

from typing import Any
from uuid import UUID

from pettycash.services.access.identity import sessions
from pettycash.services.access.identity.lists import SESSIONS
from pettycash.services.access.identity.sessions import SessionNotFound
from pettycash.services.foundation import security_log
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.auth import SessionSchema

EXAMPLE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01",
    "started_at": "2026-11-20T06:00:00+00:00",
    "last_seen_at": "2026-11-20T06:25:00+00:00",
    "ends_at": "2026-11-20T14:00:00+00:00",
    "purpose": "full",
    "ip_address": "192.0.2.7",
    "user_agent": "curl/8.5",
    "is_current": True,
}


@operation("sessions.list", listing=SESSIONS, answers=SessionSchema, example=EXAMPLE)
def list_all(uow: Uow, /, **arguments: Any) -> ListPage:
    """List one's own live sessions in this company, the newest first."""
    found = page(uow, SESSIONS, arguments)
    for each in found.items:
        each.is_current = each.id == uow.actor.session_id
    return found


@operation("sessions.revoke", status=204)
@refuses(SessionNotFound)
def revoke(uow: Uow, *, session_id: UUID) -> None:
    """End one of one's own sessions at once."""
    sessions.revoke(uow.session, user_id=uow.actor.user_id, family_id=session_id, now=uow.now)
    security_log.record(
        uow.session,
        event="auth.session_revoked",
        outcome="ok",
        detail={"session_id": str(session_id)},
        actor=uow.actor,
    )


@operation("sessions.revoke_all", status=204)
def revoke_all(uow: Uow) -> None:
    """End all of one's own sessions in this company at once, this one too."""
    sessions.end_all(uow.session, user_id=uow.actor.user_id, reason="revoked_by_owner", now=uow.now)
    security_log.record(
        uow.session,
        event="auth.session_revoked",
        outcome="ok",
        detail={"all": True},
        actor=uow.actor,
    )
