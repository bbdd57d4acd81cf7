"""What security has to remember: authentications, refusals, settings, auditors' reads.

Append-only (security.md row 19). No codes, tokens, passwords or full phone numbers in `detail`.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from pettycash import db
from pettycash.models.base import new_id
from pettycash.models.identity import SecurityEvent
from pettycash.services.actors import Actor


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
) -> None:
    """Write one event in the caller's transaction, as the application or the system role.

    `event` is a dotted word (`auth.login`), `outcome` one of ok, refused, failed. Without an actor
    the person and company may be given, where they are known.
    """
    acting = session.info["scope"]
    if actor is not None:
        user_id, company_id, ip_address = actor.user_id, actor.company_id, actor.ip_address
    # Not through the unit of work: that would read the sequence back, which writers may not see.
    session.execute(
        RECORD,
        {
            "id": new_id(),
            "company_id": company_id or acting.company_id,
            "user_id": user_id or acting.actor_id,
            "event": event,
            "outcome": outcome,
            "detail": dict(detail or {}),
            "ip_address": ip_address,
            "request_id": acting.request_id or None,
        },
    )


RECORD = insert(SecurityEvent.metadata.tables["security_events"]).execution_options(**db.PREPARED)
