"""The story of a subject: append-only rows that auditors read (domain.md §4)."""

import logging
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalTrail, SubjectRow, TrailAction
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.log_events import log_event


def write(
    session: Session,
    subject: SubjectRow,
    action: TrailAction,
    *,
    actor: Actor | None,
    role: str | None = None,
    comment: str | None = None,
    digest: bytes | None = None,
    **story: Any,
) -> ApprovalTrail:
    """Add one row. Without an actor the system did it.

    A machine client is no person: its rows name nobody as acting and the user on whose behalf.
    `story` may hold auto_escalated, escalation_reason, skipped_roles, override.
    """
    user_id: UUID | None = None
    on_behalf_of: UUID | None = None
    if actor is not None:
        if actor.client_id is None:
            user_id = actor.user_id
        else:
            on_behalf_of = actor.user_id
    row = ApprovalTrail(
        company_id=subject.company_id,
        subject_kind=subject.subject_kind,
        subject_id=subject.id,
        user_id=user_id,
        on_behalf_of=on_behalf_of,
        role=role,
        action=action,
        comment=comment,
        digest=digest,
        ip_address=actor.ip_address if actor else None,
        user_agent=actor.user_agent if actor else None,
        **story,
    )
    session.add(row)
    told = {name: value for name, value in story.items() if value}
    log_event(
        session,
        f"{subject.subject_kind}.{action.value}",
        level=logging.WARNING if told else logging.INFO,
        role=role,
        **{f"{subject.subject_kind}_id": subject.id},
        **told,
    )
    return row
