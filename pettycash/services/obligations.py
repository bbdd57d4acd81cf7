"""What people see and do of what is owed: count it, have it tried again, take it away."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.platform import Obligation
from pettycash.services import security_log
from pettycash.services.actors import Actor
from pettycash.services.outbox import OWES

GUARDS_MONEY = frozenset({"payments.resolve", "callbacks.process"})
"""Topics that a person does not park: they find out what became of money."""


class ObligationNotFound(errors.NotFound):
    """There is no such obligation in this company."""

    code = "obligation.not_found"


class ObligationDone(errors.Conflict):
    """The obligation is done; there is nothing to retry or park."""

    code = "obligation.done"


class ObligationGuardsMoney(errors.RuleViolation):
    """What finds out about money on its way is not parked; pause the sending instead."""

    code = "obligation.guards_money"


def retry(
    session: Session, *, obligation_id: UUID, actor: Actor | None, now: datetime
) -> Obligation:
    """Make an obligation due now, parked or not, with all its tries before it.

    Raises:
        ObligationNotFound: none such in this company.
        ObligationDone: its effect has happened.
    """
    row = _open(session, obligation_id)
    row.due_at = now
    row.parked_at = None
    row.attempts = row.failures = 0
    session.info[OWES] = True
    _remember(session, row, "retried", actor)
    return row


def park(
    session: Session, *, obligation_id: UUID, actor: Actor | None, now: datetime
) -> Obligation:
    """Take an obligation out of the relay's hands until somebody retries it.

    Raises:
        ObligationNotFound: none such in this company.
        ObligationDone: its effect has happened.
        ObligationGuardsMoney: the questions about money on its way are not stopped.
    """
    row = _open(session, obligation_id)
    if row.topic in GUARDS_MONEY:
        raise ObligationGuardsMoney
    row.parked_at = now
    _remember(session, row, "parked", actor)
    return row


@dataclass(frozen=True, kw_only=True)
class TopicCount:
    """How much of one topic is owed."""

    topic: str
    due: int
    waiting: int
    parked: int
    late_seconds: float
    """How long the oldest due one has been due."""

    def as_json(self) -> dict[str, Any]:
        """For commands and metrics."""
        return asdict(self)


def counts(session: Session) -> list[TopicCount]:
    """What is owed, by topic (system role)."""
    now = session.info["now"]
    is_due = Obligation.parked_at.is_(None) & (Obligation.due_at <= now)
    rows = session.execute(
        select(
            Obligation.topic,
            func.count().filter(is_due),
            func.count().filter(Obligation.parked_at.is_(None) & (Obligation.due_at > now)),
            func.count().filter(Obligation.parked_at.is_not(None)),
            func.min(Obligation.due_at).filter(is_due),
        )
        .where(Obligation.done_at.is_(None))
        .group_by(Obligation.topic)
        .order_by(Obligation.topic)
    )
    return [
        TopicCount(
            topic=topic,
            due=due,
            waiting=waiting,
            parked=parked,
            late_seconds=(now - oldest).total_seconds() if oldest else 0.0,
        )
        for topic, due, waiting, parked, oldest in rows
    ]


def company_of(session: Session, *, obligation_id: UUID) -> UUID:
    """Whose obligation it is (system role).

    Raises:
        ObligationNotFound: none such.
    """
    found = session.execute(
        select(Obligation.company_id).where(Obligation.id == obligation_id)
    ).scalar_one_or_none()
    if found is None:
        raise ObligationNotFound
    return found


def _open(session: Session, obligation_id: UUID) -> Obligation:
    row = db.lock(session, Obligation, obligation_id)
    if row is None:
        raise ObligationNotFound
    if row.done_at is not None:
        raise ObligationDone
    return row


def _remember(session: Session, row: Obligation, outcome: str, actor: Actor | None) -> None:
    security_log.record(
        session,
        event=f"obligation.{outcome}",
        outcome="ok",
        detail={"obligation_id": str(row.id), "topic": row.topic, "key": str(row.key)},
        actor=actor,
    )
