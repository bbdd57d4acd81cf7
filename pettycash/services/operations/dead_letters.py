"""Dead-lettered messages that no case tells people of; their case is opened late.

A message is dead-lettered in one transaction and its case opened in the next (`outbox_tasks`),
so a process that is killed between them leaves nothing that people would see.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseKind, CaseStatus, OutboxMessage, Severity
from pettycash.services.operations import cases

BEGAN_TOO_OFTEN = "It began too often without coming to an end."

TELLS_ITSELF = timedelta(minutes=1)
"""For so long the process that dead-lettered a message may still be about to open its case."""


def open_case(session: Session, *, message_id: UUID, topic: str, key: UUID, reason: str) -> None:
    """Open the case of a dead-lettered message."""
    cases.open_case(
        session,
        kind=CaseKind.DEAD_LETTER,
        object_type="outbox_message",
        object_id=message_id,
        summary=f"{topic} was given up after too many failures.",
        evidence={"topic": topic, "key": str(key), "last_error": reason},
        severity=Severity.SEVERE,
    )


def companies(session: Session) -> list[UUID]:
    """The companies with a message that has been dead-lettered for a while (system role)."""
    return list(
        session.execute(
            select(OutboxMessage.company_id)
            .distinct()
            .where(OutboxMessage.completed_at.is_(None), _for_a_while(session.info["now"]))
            .order_by(OutboxMessage.company_id)
        ).scalars()
    )


def open_missing_cases(session: Session, *, now: datetime) -> list[UUID]:
    """Open the case of each message that has none since it was dead-lettered; returns their ids.

    A message that a person dead-lettered needs none, and a case that people have ended stays ended.
    """
    has_case = exists().where(
        Case.kind == CaseKind.DEAD_LETTER,
        Case.object_id == OutboxMessage.id,
        or_(Case.status != CaseStatus.RESOLVED, Case.decided_at >= OutboxMessage.dead_lettered_at),
    )
    found = session.execute(
        select(OutboxMessage)
        .where(
            OutboxMessage.completed_at.is_(None),
            _for_a_while(now),
            ~has_case,
            ~OutboxMessage.dead_lettered_by_hand,
        )
        .order_by(OutboxMessage.id)
        .with_for_update(of=OutboxMessage, key_share=True, skip_locked=True)
    ).scalars()
    given_up = found.all()
    for each in given_up:
        reason = each.last_error or BEGAN_TOO_OFTEN
        open_case(session, message_id=each.id, topic=each.topic, key=each.key, reason=reason)
    return [each.id for each in given_up]


def _for_a_while(now: datetime) -> ColumnElement[bool]:
    return OutboxMessage.dead_lettered_at < now - TELLS_ITSELF
