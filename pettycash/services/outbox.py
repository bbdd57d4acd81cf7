"""Obligations: what must happen is a row; a message is only a hint to look at it.

`owe` writes the row with the business change. The relay publishes what is due, the task does it
and calls `done` in the transaction of its effect (reliability.md §1).
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash import settings
from pettycash.models.platform import Obligation

OWES = "pettycash_owes"
"""Mark in session.info: something is due now, so the relay may be woken after the commit."""


def owe(session: Session, *, topic: str, key: UUID, due_at: datetime | None = None) -> None:
    """Owe a task. Owing it again re-arms it: done or parked becomes due, an earlier date wins."""
    company_id = session.info["scope"].company_id
    due = due_at or session.info["now"]
    row = insert(Obligation).values(company_id=company_id, topic=topic, key=key, due_at=due)
    settled = Obligation.done_at.is_not(None) | Obligation.parked_at.is_not(None)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Obligation.company_id, Obligation.topic, Obligation.key],
            set_={
                "due_at": case(
                    (settled | (Obligation.due_at > row.excluded.due_at), row.excluded.due_at),
                    else_=Obligation.due_at,
                ),
                "attempts": case((settled, 0), else_=Obligation.attempts),
                "failures": case((settled, 0), else_=Obligation.failures),
                "done_at": None,
                "parked_at": None,
                "last_error": None,
            },
        )
    )
    if due_at is None or due_at <= session.info["now"]:
        session.info[OWES] = True


def find(session: Session, obligation_id: UUID) -> Obligation | None:
    """The obligation, unlocked, whichever company it belongs to (system role)."""
    return session.execute(
        select(Obligation).where(Obligation.id == obligation_id)
    ).scalar_one_or_none()


def done(session: Session, *, topic: str, key: UUID) -> None:
    """The effect has happened: close the obligation in the same transaction."""
    session.execute(
        update(Obligation)
        .where(Obligation.topic == topic, Obligation.key == key, Obligation.done_at.is_(None))
        .values(done_at=session.info["now"])
    )


def postpone(session: Session, *, topic: str, key: UUID, due_at: datetime) -> None:
    """Look again later; resets nothing else."""
    session.execute(
        update(Obligation)
        .where(Obligation.topic == topic, Obligation.key == key, Obligation.done_at.is_(None))
        .values(due_at=due_at)
    )


def failed(session: Session, *, obligation_id: UUID, error: str) -> bool:
    """Count a failure of the task; True where that parked the obligation."""
    bound = settings.current().obligation_attempts_max
    parked_at = session.execute(
        update(Obligation)
        .where(Obligation.id == obligation_id, Obligation.done_at.is_(None))
        .values(
            failures=Obligation.failures + 1,
            last_error=error[:500],
            parked_at=case((Obligation.failures + 1 >= bound, text("now()")), else_=None),
        )
        .returning(Obligation.parked_at)
    ).scalar_one_or_none()
    return parked_at is not None


def claim_due(session: Session, *, limit: int) -> list[tuple[UUID, str]]:
    """Take what is due (system role) and move it forward with backoff: one publisher at a time.

    Returns (obligation id, topic) pairs. Rows locked by another relay are skipped.
    """
    timing = settings.current()
    rows = list(
        session.execute(
            select(Obligation)
            .where(
                Obligation.done_at.is_(None),
                Obligation.parked_at.is_(None),
                Obligation.due_at <= session.info["now"],
            )
            .order_by(Obligation.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).scalars()
    )
    for row in rows:
        wait = min(
            timing.relay_backoff_seconds * 2 ** min(row.attempts, 10),
            timing.relay_backoff_max_seconds,
        )
        row.attempts += 1
        row.due_at = session.info["now"] + timedelta(seconds=wait)
    return [(row.id, row.topic) for row in rows]
