"""What people see and do of what is owed: count it, have it tried again, take it away."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.platform import Obligation
from pettycash.services import security_log
from pettycash.services.actors import Actor
from pettycash.services.lanes import WAITS_ITS_TURN
from pettycash.services.outbox import OWES

GUARDS_MONEY = frozenset({"payments.resolve", "callbacks.process"})
"""Topics that a person does not park: they find out what became of money."""

TELLS_PEOPLE = frozenset(
    {
        "notifications.security",
        "notifications.contact_changed",
        "notifications.alert",
        "approvals.hand_over",
    }
)
"""Nor these: who parks them keeps others from hearing of a change, or from taking a step over."""


LATE = timedelta(seconds=60)
"""How late what is due may be (reliability.md §2, I6)."""

FAILING = 5
"""After so many failures in a row, some five minutes, it is worth a look."""


class ObligationNotFound(errors.NotFound):
    """There is no such obligation in this company."""

    code = "obligation.not_found"


class ObligationDone(errors.Conflict):
    """The obligation is done; there is nothing to retry or park."""

    code = "obligation.done"


class ObligationGuardsMoney(errors.RuleViolation):
    """What finds out about money on its way is not parked; pause the sending instead."""

    code = "obligation.guards_money"


class ObligationTellsPeople(errors.RuleViolation):
    """An obligation that tells people of a change, or hands over their work, is not parked."""

    code = "obligation.tells_people"


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
    row.parked_by_hand = False
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
        ObligationTellsPeople: nor is what others have to hear.
    """
    row = _open(session, obligation_id)
    if row.topic in GUARDS_MONEY:
        raise ObligationGuardsMoney
    if row.topic in TELLS_PEOPLE:
        raise ObligationTellsPeople
    row.parked_at = now
    row.parked_by_hand = True
    _remember(session, row, "parked", actor)
    return row


@dataclass(frozen=True, kw_only=True)
class TopicCount:
    """How much of one topic is owed."""

    topic: str
    due: int
    waiting: int
    parked: int
    failing: int
    """Neither done nor parked, and begun FAILING times in a row without coming to an end."""
    late_seconds: float
    """How long the oldest due one has been due, apart from what waits its turn."""

    def as_json(self) -> dict[str, Any]:
        """For commands and metrics."""
        return asdict(self)


def counts(session: Session) -> list[TopicCount]:
    """What is owed, by topic (system role)."""
    rows = session.execute(COUNTS, {"now": session.info["now"], "late": session.info["now"] - LATE})
    return [
        TopicCount(
            topic=row.topic,
            due=row.due,
            waiting=row.waiting,
            parked=row.parked,
            failing=row.failing,
            late_seconds=row.late_seconds or 0.0,
        )
        for row in rows
    ]


COUNTS = text(
    f"""
    SELECT topic, count(*) FILTER (WHERE is_due) AS due,
        count(*) FILTER (WHERE parked_at IS NULL AND NOT is_due) AS waiting,
        count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
        count(*) FILTER (WHERE parked_at IS NULL AND failures >= {FAILING}) AS failing,
        CAST(extract(epoch FROM :now - min(due_at) FILTER (
            WHERE is_due AND NOT waits)) AS float8) AS late_seconds
    FROM (SELECT *, parked_at IS NULL AND due_at <= :now AS is_due, ({WAITS_ITS_TURN}) AS waits
        FROM obligations o WHERE done_at IS NULL) AS owed
    GROUP BY topic ORDER BY topic
    """  # noqa: S608 - a condition of ours
)


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
