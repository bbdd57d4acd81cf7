"""Obligations: what must happen is a row; a message is only a hint to look at it.

`owe` writes the row with the business change. The relay publishes what is due, the task does it
and calls `done` in the transaction of its effect (reliability.md §1). What people see of them and
do about them is in `obligations`, how the relay chooses among what is due in `lanes`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, case, func, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from pettycash import db, settings
from pettycash.models.base import new_id
from pettycash.models.platform import Obligation

logger = logging.getLogger(__name__)

OWES = "pettycash_owes"
"""Mark in session.info: something is due now, so the relay may be woken after the commit."""

CHANNEL = "pettycash_outbox"
"""What the relay listens to."""


@dataclass(frozen=True, kw_only=True)
class Debt:
    """A task to be owed; without an instant it is due now."""

    topic: str
    key: UUID
    due_at: datetime | None = None
    lane: UUID | None = None
    """Who takes turns with others; the company where it is not said. Kept once it is owed."""


def owe(
    session: Session,
    *,
    topic: str,
    key: UUID,
    due_at: datetime | None = None,
    lane: UUID | None = None,
) -> None:
    """Owe a task. Owing it again re-arms it: done or given up becomes due, an earlier date wins.

    What a person has parked is owed and stays parked, until a person takes it up again.
    """
    owe_all(session, [Debt(topic=topic, key=key, due_at=due_at, lane=lane)])


def owe_at(
    session: Session, *, topic: str, key: UUID, due_at: datetime, lane: UUID | None = None
) -> None:
    """Owe a task at this instant, whenever it was due before: `owe` and `postpone` at once."""
    _owe(session, [Debt(topic=topic, key=key, due_at=due_at, lane=lane)], moves=True)


def owe_all(session: Session, debts: Sequence[Debt]) -> None:
    """Owe several different tasks in one statement."""
    _owe(session, debts, moves=False)


def _owe(session: Session, debts: Sequence[Debt], *, moves: bool) -> None:
    now = session.info["now"]
    company_id = session.info["scope"].company_id
    session.execute(
        OWE,
        {
            "company": company_id,
            "ids": db.array(new_id() for _ in debts),
            "topics": [each.topic for each in debts],
            "keys": db.array(each.key for each in debts),
            "lanes": db.array(each.lane or company_id for each in debts),
            "dues": [each.due_at or now for each in debts],
            "moves": moves,
        },
        execution_options=db.PREPARED,
    )
    if any(each.due_at is None or each.due_at <= now for each in debts):
        session.info[OWES] = True


OWE = text(
    """
    INSERT INTO obligations AS o (id, company_id, topic, key, lane, due_at, attempts, failures)
    SELECT id, :company, topic, key, lane, due_at, 0, 0
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS uuid[]),
                CAST(:lanes AS uuid[]), CAST(:dues AS timestamptz[]))
        AS owed (id, topic, key, lane, due_at)
    ON CONFLICT (company_id, topic, key) DO UPDATE SET lane = coalesce(o.lane, excluded.lane),
        due_at = CASE WHEN :moves OR o.done_at IS NOT NULL OR o.parked_at IS NOT NULL
                      THEN excluded.due_at ELSE least(o.due_at, excluded.due_at) END,
        attempts = CASE WHEN :moves OR o.done_at IS NOT NULL OR o.parked_at IS NOT NULL
                        THEN 0 ELSE o.attempts END,
        failures = CASE WHEN o.done_at IS NOT NULL OR o.parked_at IS NOT NULL
                        THEN 0 ELSE o.failures END,
        request_id = CASE WHEN o.done_at IS NULL AND o.parked_at IS NULL
                          THEN coalesce(o.request_id, excluded.request_id)
                          ELSE excluded.request_id END,
        done_at = NULL, last_error = NULL,
        parked_at = CASE WHEN o.parked_by_hand THEN o.parked_at END
    """
)
"""Written out: a statement with as many rows as debts would be compiled anew each time."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a task has begun to do: `key` is the thing that the obligation is about."""

    id: UUID
    topic: str
    key: UUID
    company_id: UUID
    request_id: str | None
    """Of the request that it began with."""
    is_parked: bool
    """It has just been parked for having begun too often without an end."""


NEVER_PARKED = ("notifications.alert", "notifications.security")
"""What is tried for as long as it is owed: who would be told that it was given up?"""

_UNDER_WAY = (
    Obligation.id == bindparam("obligation"),
    Obligation.done_at.is_(None),
    Obligation.parked_at.is_(None),
)
"""Neither done nor given up, by the system or a person."""


def begin(glance: Session, *, obligation_id: UUID) -> Begun | None:
    """A task starts on it (`db.system_glance`): counted before anything runs, since a task may kill
    its process. None where it is done or parked.
    """
    bound = settings.current().obligation_attempts_max
    row = glance.execute(
        BEGIN,
        {"obligation": obligation_id, "bound": bound, **db.shift()},
        execution_options=db.PREPARED,
    ).one_or_none()
    if row is None:
        return None
    return begun(row)


def begun(row: Any) -> Begun:
    """What a statement that counts a beginning has returned."""
    return Begun(
        id=row.id,
        topic=row.topic,
        key=row.key,
        company_id=row.company_id,
        request_id=row.request_id,
        is_parked=row.parked_at is not None,
    )


BEGIN = (
    update(Obligation)
    .where(*_UNDER_WAY)
    .values(
        failures=Obligation.failures + 1,
        parked_at=case(
            (
                (Obligation.failures >= bindparam("bound")) & Obligation.topic.not_in(NEVER_PARKED),
                db.instant(),
            ),
            else_=None,
        ),
    )
    .returning(
        Obligation.id,
        Obligation.topic,
        Obligation.key,
        Obligation.company_id,
        Obligation.request_id,
        Obligation.parked_at,
    )
    .execution_options(synchronize_session=False)
)
"""A statement by itself, of which nothing else depends: no transaction is opened round it."""


def ended(glance: Session, *, obligation_id: UUID) -> None:
    """The task came to its end without an error (`db.system_glance`): what was counted is
    forgotten, as it is where the effect has closed the obligation."""
    glance.execute(ENDED, {"obligation": obligation_id}, execution_options=db.PREPARED)


ENDED = (
    update(Obligation)
    .where(*_UNDER_WAY)
    .values(failures=0, last_error=None)
    .execution_options(synchronize_session=False)
)


def done(session: Session, *, topic: str, key: UUID) -> None:
    """The effect has happened: close the obligation in the same transaction."""
    done_all(session, topic=topic, keys=[key])


def done_all(session: Session, *, topic: str, keys: Sequence[UUID]) -> None:
    """The same for several obligations of one topic, in one statement."""
    session.execute(
        DONE,
        {"topic": topic, "keys": db.array(keys), "now": session.info["now"]},
        execution_options=db.PREPARED,
    )


DONE = text(
    "UPDATE obligations SET done_at = :now, failures = 0, last_error = NULL"
    " WHERE topic = :topic AND key = ANY(:keys) AND done_at IS NULL"
)


def postpone(session: Session, *, topic: str, key: UUID, due_at: datetime) -> None:
    """Look again later; the relay's backoff starts anew, as this is no failure."""
    wanted = {"topic": topic, "key": key, "due_at": due_at}
    session.execute(POSTPONE, wanted, execution_options=db.PREPARED)


POSTPONE = text(
    "UPDATE obligations SET due_at = :due_at, attempts = 0"
    " WHERE topic = :topic AND key = :key AND done_at IS NULL"
)


def keep_back(session: Session, *, topic: str, key: UUID, until: datetime) -> datetime | None:
    """Leave an obligation to the worker that is at it until its claim ends.

    Returns when it would have been due, for `give_back`.
    """
    return session.execute(
        KEEP_BACK,
        {"topic": topic, "key": key, "until": until},
        execution_options=db.PREPARED,
    ).scalar_one_or_none()


KEEP_BACK = text(
    """
    WITH before AS MATERIALIZED (
        SELECT id, due_at FROM obligations
        WHERE topic = :topic AND key = :key AND done_at IS NULL FOR NO KEY UPDATE
    )
    UPDATE obligations o SET due_at = greatest(o.due_at, CAST(:until AS timestamptz))
    FROM before WHERE o.id = before.id RETURNING before.due_at
    """
)


def give_back(session: Session, *, topic: str, key: UUID, due_at: datetime | None) -> None:
    """The worker failed for certain: due when it would have been, and the backoff goes on."""
    session.execute(
        update(Obligation)
        .where(Obligation.topic == topic, Obligation.key == key, Obligation.done_at.is_(None))
        .values(due_at=func.coalesce(due_at, Obligation.due_at))
        .execution_options(synchronize_session=False)
    )


def wake(
    session: Session, *, topic: str, lane: UUID | None = None, keys: Select[UUID] | None = None
) -> None:
    """What kept these from being done is over: what waits of a topic is due now.

    In one lane, or of some keys, or wherever the session's role sees any.
    """
    session.flush()  # what is over is written before anybody who waited here looks again
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PUTTING_OFF})
    now = session.info["now"]
    waiting = update(Obligation).where(Obligation.topic == topic, *_UNDER_WAY[1:])
    if lane is not None:
        waiting = waiting.where(Obligation.lane == lane)
    if keys is not None:
        waiting = waiting.where(Obligation.key.in_(keys))
    session.execute(
        waiting.where(Obligation.due_at > now)
        .values(due_at=now, attempts=0)
        .execution_options(synchronize_session=False)
    )
    session.info[OWES] = True


def before_putting_off(session: Session) -> None:
    """Wait for whoever is about to `wake`: look once more after this, and only then put it off."""
    session.execute(
        text("SELECT pg_advisory_xact_lock_shared(:key)"),
        {"key": PUTTING_OFF},
        execution_options=db.PREPARED,
    )


PUTTING_OFF = 0x7065_7474_7963_6F66
"""The advisory lock of those who put off for long and those who wake."""


def failed(session: Session, *, obligation_id: UUID, error: str) -> bool:
    """Keep why a task ended in an error (system role); True where that parked the obligation.

    `begin` has counted it; this parks it at the bound, as the next beginning would. What a person
    has parked meanwhile stays so.
    """
    bound = settings.current().obligation_attempts_max
    parked_at = session.execute(
        update(Obligation)
        .where(
            Obligation.id == obligation_id,
            Obligation.done_at.is_(None),
            Obligation.parked_at.is_(None),
        )
        .values(
            last_error=error[:500],
            parked_at=case(
                (
                    (Obligation.failures >= bound) & Obligation.topic.not_in(NEVER_PARKED),
                    session.info["now"],
                ),
                else_=None,
            ),
        )
        .returning(Obligation.parked_at)
    ).scalar_one_or_none()
    return parked_at is not None


def remove_old(session: Session, *, days: int, limit: int) -> int:
    """Delete done obligations and kept answers older than so many days (system role).

    At most `limit` of each; returns how many of the larger kind went.
    """
    before = session.info["now"] - timedelta(days=days)
    counts = []
    for table, column in (("obligations", "done_at"), ("idempotency_keys", "created_at")):
        gone = session.execute(
            text(
                f"DELETE FROM {table} WHERE id IN"  # noqa: S608 - names are ours
                f" (SELECT id FROM {table} WHERE {column} < :before LIMIT :limit)"
            ),
            {"before": before, "limit": limit},
        )
        counts.append(int(getattr(gone, "rowcount", 0)))
    return max(counts)


def _wake_relay(session: Session) -> None:
    """Tell the relay that something is due; best effort, since it looks by itself each second.

    After the commit and on a connection of its own: inside the transaction a NOTIFY would make
    commits wait for each other.
    """
    if not session.info.pop(OWES, False):
        return
    try:
        with db.system_glance() as glance:
            glance.execute(text(f"NOTIFY {CHANNEL}"))
    except SQLAlchemyError:
        logger.debug("the relay was not woken", exc_info=True)


db.after_commit(_wake_relay)
