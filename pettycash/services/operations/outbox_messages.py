"""Outbox messages as people see them: count them, retry them, dead-letter them."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db, errors
from pettycash.services.foundation import security_log
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.outbox import ENQUEUED
from pettycash.services.operations.lanes import WAITS_ITS_TURN

GUARDS_MONEY = frozenset({"payments.resolve", "callbacks.process"})
"""Topics that a person can't dead-letter: they find out what became of money."""

INFORMS_PEOPLE = frozenset(
    {
        "notifications.security",
        "notifications.contact_changed",
        "notifications.alert",
        "approvals.hand_over",
    }
)
"""More such topics: without them others would not learn of a change, or not take over a step."""


LATE = timedelta(seconds=60)
"""How late what is due may be (reliability.md §2, I6)."""

FAILING = 5
"""After so many failures in a row, some five minutes, it is worth a look."""


class OutboxMessageNotFound(errors.NotFound):
    """There is no such outbox message in this company."""

    code = "outbox.not_found"


class OutboxMessageCompleted(errors.Conflict):
    """The outbox message is completed; there is nothing to retry or dead-letter."""

    code = "outbox.completed"


class OutboxMessageGuardsMoney(errors.RuleViolation):
    """A message that finds out about money on its way can't be dead-lettered; pause the sending."""

    code = "outbox.guards_money"


class OutboxMessageInformsPeople(errors.RuleViolation):
    """A message that informs people of a change, or hands over work, can't be dead-lettered."""

    code = "outbox.informs_people"


def retry(
    session: Session, *, message_id: UUID, actor: Actor | None, now: datetime
) -> OutboxMessage:
    """Make a message due now, dead-lettered or not, with all its tries before it.

    Raises:
        OutboxMessageNotFound: none such in this company.
        OutboxMessageCompleted: its effect has happened.
    """
    row = _open(session, message_id)
    row.due_at = now
    row.dead_lettered_at = None
    row.dead_lettered_by_hand = False
    row.attempts = row.failures = 0
    session.info[ENQUEUED] = True
    _log_event(session, row, "retried", actor)
    return row


def dead_letter(
    session: Session, *, message_id: UUID, actor: Actor | None, now: datetime
) -> OutboxMessage:
    """Keep the relay from a message until a person retries it.

    Raises:
        OutboxMessageNotFound: none such in this company.
        OutboxMessageCompleted: its effect has happened.
        OutboxMessageGuardsMoney: the questions about money on its way are not stopped.
        OutboxMessageInformsPeople: nor is what others have to hear.
    """
    row = _open(session, message_id)
    if row.topic in GUARDS_MONEY:
        raise OutboxMessageGuardsMoney
    if row.topic in INFORMS_PEOPLE:
        raise OutboxMessageInformsPeople
    row.dead_lettered_at = now
    row.dead_lettered_by_hand = True
    _log_event(session, row, "dead_lettered", actor)
    return row


@dataclass(frozen=True, kw_only=True)
class TopicCount:
    """The open messages of one topic."""

    topic: str
    due: int
    waiting: int
    dead_lettered: int
    failing: int
    """Open, and begun FAILING times in a row without coming to an end."""
    late_seconds: float
    """How long the oldest due one has been due, apart from what waits its turn."""

    def as_json(self) -> dict[str, Any]:
        """For commands and metrics."""
        return asdict(self)


def counts(session: Session) -> list[TopicCount]:
    """Count open messages by topic (system role)."""
    rows = session.execute(COUNTS, {"now": session.info["now"], "late": session.info["now"] - LATE})
    return [
        TopicCount(
            topic=row.topic,
            due=row.due,
            waiting=row.waiting,
            dead_lettered=row.dead_lettered,
            failing=row.failing,
            late_seconds=row.late_seconds or 0.0,
        )
        for row in rows
    ]


COUNTS = text(
    f"""
    SELECT topic, count(*) FILTER (WHERE is_due) AS due,
        count(*) FILTER (WHERE dead_lettered_at IS NULL AND NOT is_due) AS waiting,
        count(*) FILTER (WHERE dead_lettered_at IS NOT NULL) AS dead_lettered,
        count(*) FILTER (WHERE dead_lettered_at IS NULL AND failures >= {FAILING}) AS failing,
        CAST(extract(epoch FROM :now - min(due_at) FILTER (
            WHERE is_due AND NOT waits)) AS float8) AS late_seconds
    FROM (SELECT *, dead_lettered_at IS NULL AND due_at <= :now AS is_due,
            ({WAITS_ITS_TURN}) AS waits
        FROM outbox_messages o WHERE completed_at IS NULL) AS open
    GROUP BY topic ORDER BY topic
    """  # noqa: S608 - a condition of ours
)


def company_of(session: Session, *, message_id: UUID) -> UUID:
    """The company of a message (system role).

    Raises:
        OutboxMessageNotFound: none such.
    """
    found = session.execute(
        select(OutboxMessage.company_id).where(OutboxMessage.id == message_id)
    ).scalar_one_or_none()
    if found is None:
        raise OutboxMessageNotFound
    return found


def _open(session: Session, message_id: UUID) -> OutboxMessage:
    row = db.lock(session, OutboxMessage, message_id)
    if row is None:
        raise OutboxMessageNotFound
    if row.completed_at is not None:
        raise OutboxMessageCompleted
    return row


def _log_event(session: Session, row: OutboxMessage, outcome: str, actor: Actor | None) -> None:
    security_log.record(
        session,
        event=f"outbox.{outcome}",
        outcome="ok",
        detail={"message_id": str(row.id), "topic": row.topic, "key": str(row.key)},
        actor=actor,
    )
