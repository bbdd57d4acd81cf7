"""The security log: authentications, refusals, settings, auditors' reads.

Append-only (security.md row 19). No codes, tokens, passwords or full phone numbers in `detail`.
"""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from pettycash.models.access import SecurityEvent
from pettycash.models.base import new_id
from pettycash.runtime import db
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.log_events import log_event


def record(
    session: Session,
    *,
    event: str,
    outcome: str,
    detail: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
    user_id: UUID | None = None,
    company_id: UUID | None = None,
    ip_address: str | None = None,
) -> UUID:
    """Write one event in the caller's transaction, as the application or the system role.

    `event` is a dotted name (`auth.login`), `outcome` one of ok, refused, failed. Without an actor
    the person and company may be given, where they are known. Returns its id.
    """
    event_id = new_id()
    acting = session.info["scope"]
    said = dict(detail or {})
    if actor is not None:
        user_id, company_id, ip_address = actor.user_id, actor.company_id, actor.ip_address
        if actor.client_id is not None:
            said["api_key_id"] = str(actor.client_id)
    # Not through the unit of work: that would read the sequence back, which writers may not see.
    session.execute(
        RECORD,
        {
            "id": event_id,
            "company_id": company_id or acting.company_id,
            "user_id": user_id or acting.actor_id,
            "event": event,
            "outcome": outcome,
            "detail": said,
            "ip_address": ip_address,
            "request_id": acting.request_id or None,
        },
    )
    line = {name: value for name, value in said.items() if name in LOGGED or name.endswith("_id")}
    line |= {
        "outcome": outcome,
        "person_id": user_id or acting.actor_id,
        "company_id": company_id or acting.company_id,
        "remote_address": ip_address,
    }
    log_event(session, event, level=logging.INFO if outcome == "ok" else logging.WARNING, **line)
    return event_id


LOGGED = frozenset({"code", "operation", "attempt"})
"""Fields of the detail that stand in the log as well, beside ids: names of ours, never values."""

RECORD = insert(SecurityEvent.metadata.tables["security_events"]).execution_options(**db.PREPARED)
