"""The outbox: what must happen is a row, a message; what Celery gets is a hint to look at it.

`enqueue` writes the row with the business change. The relay publishes what is due, the task does it
and calls `complete` in the transaction of its effect (reliability.md §1). What people see of them
and do about them is in `outbox_messages`, how the relay chooses among what is due in `lanes`.
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

from pettycash.models.base import new_id
from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db, settings

logger = logging.getLogger(__name__)

ENQUEUED = "pettycash_enqueued"
"""Mark in session.info: a message is due now, so the relay may be woken after the commit."""

CHANNEL = "pettycash_outbox"
"""The channel that the relay listens to."""


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A message to be enqueued; without an instant it is due now."""

    topic: str
    key: UUID
    due_at: datetime | None = None
    lane: UUID | None = None
    """The lane takes turns with others; the company's by default. It is kept once enqueued."""


def enqueue(
    session: Session,
    *,
    topic: str,
    key: UUID,
    due_at: datetime | None = None,
    lane: UUID | None = None,
) -> None:
    """Enqueue a task. One that is completed or dead-lettered becomes due again.

    Of two dates for an open one the earlier wins. A message that a person has dead-lettered stays
    so until a person retries it.
    """
    enqueue_all(session, [NewMessage(topic=topic, key=key, due_at=due_at, lane=lane)])


def enqueue_at(
    session: Session, *, topic: str, key: UUID, due_at: datetime, lane: UUID | None = None
) -> None:
    """Enqueue a task for this instant, whenever it was due before."""
    _enqueue(session, [NewMessage(topic=topic, key=key, due_at=due_at, lane=lane)], moves=True)


def enqueue_all(session: Session, messages: Sequence[NewMessage]) -> None:
    """Enqueue several different tasks in one statement."""
    _enqueue(session, messages, moves=False)


def _enqueue(session: Session, messages: Sequence[NewMessage], *, moves: bool) -> None:
    now = session.info["now"]
    company_id = session.info["scope"].company_id
    session.execute(
        ENQUEUE,
        {
            "company": company_id,
            "ids": db.array(new_id() for _ in messages),
            "topics": [each.topic for each in messages],
            "keys": db.array(each.key for each in messages),
            "lanes": db.array(each.lane or company_id for each in messages),
            "dues": [each.due_at or now for each in messages],
            "moves": moves,
        },
        execution_options=db.PREPARED,
    )
    if any(each.due_at is None or each.due_at <= now for each in messages):
        session.info[ENQUEUED] = True


ENQUEUE = text(
    """
    INSERT INTO outbox_messages AS o (id, company_id, topic, key, lane, due_at, attempts, failures)
    SELECT id, :company, topic, key, lane, due_at, 0, 0
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS uuid[]),
                CAST(:lanes AS uuid[]), CAST(:dues AS timestamptz[]))
        AS given (id, topic, key, lane, due_at)
    ON CONFLICT (company_id, topic, key) DO UPDATE SET lane = coalesce(o.lane, excluded.lane),
        due_at = CASE WHEN :moves OR o.completed_at IS NOT NULL OR o.dead_lettered_at IS NOT NULL
                      THEN excluded.due_at ELSE least(o.due_at, excluded.due_at) END,
        attempts = CASE WHEN :moves OR o.completed_at IS NOT NULL OR o.dead_lettered_at IS NOT NULL
                        THEN 0 ELSE o.attempts END,
        failures = CASE WHEN o.completed_at IS NOT NULL OR o.dead_lettered_at IS NOT NULL
                        THEN 0 ELSE o.failures END,
        request_id = CASE WHEN o.completed_at IS NULL AND o.dead_lettered_at IS NULL
                          THEN coalesce(o.request_id, excluded.request_id)
                          ELSE excluded.request_id END,
        completed_at = NULL, last_error = NULL,
        dead_lettered_at = CASE WHEN o.dead_lettered_by_hand THEN o.dead_lettered_at END
    """
)
"""Written out: a statement with as many rows as messages would be compiled anew each time."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A message whose task has begun: `key` is the thing that it is about."""

    id: UUID
    topic: str
    key: UUID
    company_id: UUID
    request_id: str | None
    """Of the request that it began with."""
    is_dead_lettered: bool
    """Whether it has just been dead-lettered, since it began too often without an end."""


NEVER_DEAD_LETTERED = ("notifications.alert", "notifications.security")
"""Topics that are tried for ever: nobody could be told that an alert was given up."""

_UNDER_WAY = (
    OutboxMessage.id == bindparam("outbox_message"),
    OutboxMessage.completed_at.is_(None),
    OutboxMessage.dead_lettered_at.is_(None),
)
"""Conditions of an open message: neither completed nor dead-lettered."""


def begin(autocommit: Session, *, message_id: UUID) -> Begun | None:
    """A task starts on it (`db.system_autocommit`): counted before it runs, since a task may kill
    its process. None where it is completed or dead-lettered.
    """
    bound = settings.current().outbox_attempts_max
    row = autocommit.execute(
        BEGIN,
        {"outbox_message": message_id, "bound": bound, **db.shift()},
        execution_options=db.PREPARED,
    ).one_or_none()
    if row is None:
        return None
    return begun(row)


def begun(row: Any) -> Begun:
    """The message that a statement has counted as begun."""
    return Begun(
        id=row.id,
        topic=row.topic,
        key=row.key,
        company_id=row.company_id,
        request_id=row.request_id,
        is_dead_lettered=row.dead_lettered_at is not None,
    )


BEGIN = (
    update(OutboxMessage)
    .where(*_UNDER_WAY)
    .values(
        failures=OutboxMessage.failures + 1,
        dead_lettered_at=case(
            (
                (OutboxMessage.failures >= bindparam("bound"))
                & OutboxMessage.topic.not_in(NEVER_DEAD_LETTERED),
                db.instant(),
            ),
            else_=None,
        ),
    )
    .returning(
        OutboxMessage.id,
        OutboxMessage.topic,
        OutboxMessage.key,
        OutboxMessage.company_id,
        OutboxMessage.request_id,
        OutboxMessage.dead_lettered_at,
    )
    .execution_options(synchronize_session=False)
)
"""A statement by itself, of which nothing else depends: no transaction is opened round it."""


def ended(autocommit: Session, *, message_id: UUID) -> None:
    """The task came to its end without an error (`db.system_autocommit`): what was counted is
    forgotten, as it is where the effect has completed the message."""
    autocommit.execute(ENDED, {"outbox_message": message_id}, execution_options=db.PREPARED)


ENDED = (
    update(OutboxMessage)
    .where(*_UNDER_WAY)
    .values(failures=0, last_error=None)
    .execution_options(synchronize_session=False)
)


def complete(session: Session, *, topic: str, key: UUID) -> None:
    """The effect has happened: complete the message in the same transaction."""
    complete_all(session, topic=topic, keys=[key])


def complete_all(session: Session, *, topic: str, keys: Sequence[UUID]) -> None:
    """Complete several messages of one topic in one statement."""
    session.execute(
        COMPLETE,
        {"topic": topic, "keys": db.array(keys), "now": session.info["now"]},
        execution_options=db.PREPARED,
    )


COMPLETE = text(
    "UPDATE outbox_messages SET completed_at = :now, failures = 0, last_error = NULL"
    " WHERE topic = :topic AND key = ANY(:keys) AND completed_at IS NULL"
)


def reschedule(session: Session, *, topic: str, key: UUID, due_at: datetime) -> None:
    """Make a message due later; the relay's backoff starts anew, as this is no failure."""
    wanted = {"topic": topic, "key": key, "due_at": due_at}
    session.execute(RESCHEDULE, wanted, execution_options=db.PREPARED)


RESCHEDULE = text(
    "UPDATE outbox_messages SET due_at = :due_at, attempts = 0"
    " WHERE topic = :topic AND key = :key AND completed_at IS NULL"
)


def lease(session: Session, *, topic: str, key: UUID, until: datetime) -> datetime | None:
    """Leave a message to the worker that is at it until its claim ends.

    Returns when it would have been due, for `end_lease`.
    """
    return session.execute(
        LEASE,
        {"topic": topic, "key": key, "until": until},
        execution_options=db.PREPARED,
    ).scalar_one_or_none()


LEASE = text(
    """
    WITH before AS MATERIALIZED (
        SELECT id, due_at FROM outbox_messages
        WHERE topic = :topic AND key = :key AND completed_at IS NULL FOR NO KEY UPDATE
    )
    UPDATE outbox_messages o SET due_at = greatest(o.due_at, CAST(:until AS timestamptz))
    FROM before WHERE o.id = before.id RETURNING before.due_at
    """
)


def end_lease(session: Session, *, topic: str, key: UUID, due_at: datetime | None) -> None:
    """The worker failed for certain: due when it would have been, and the backoff goes on."""
    session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.topic == topic,
            OutboxMessage.key == key,
            OutboxMessage.completed_at.is_(None),
        )
        .values(due_at=func.coalesce(due_at, OutboxMessage.due_at))
        .execution_options(synchronize_session=False)
    )


def wake(
    session: Session, *, topic: str, lane: UUID | None = None, keys: Select[UUID] | None = None
) -> None:
    """Make the waiting messages of a topic due now, since what they waited for is over.

    In one lane, or of some keys, or wherever the session's role sees any.
    """
    session.flush()  # what is over is written before anybody who waited here looks again
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PUTTING_OFF})
    now = session.info["now"]
    waiting = update(OutboxMessage).where(OutboxMessage.topic == topic, *_UNDER_WAY[1:])
    if lane is not None:
        waiting = waiting.where(OutboxMessage.lane == lane)
    if keys is not None:
        waiting = waiting.where(OutboxMessage.key.in_(keys))
    session.execute(
        waiting.where(OutboxMessage.due_at > now)
        .values(due_at=now, attempts=0)
        .execution_options(synchronize_session=False)
    )
    session.info[ENQUEUED] = True


def before_putting_off(session: Session) -> None:
    """Wait for whoever is about to `wake`: look once more after this, and only then put it off."""
    session.execute(
        text("SELECT pg_advisory_xact_lock_shared(:key)"),
        {"key": PUTTING_OFF},
        execution_options=db.PREPARED,
    )


PUTTING_OFF = 0x7065_7474_7963_6F66
"""The advisory lock of those who put off for long and those who wake."""


def failed(session: Session, *, message_id: UUID, error: str) -> bool:
    """Keep why a task ended in an error (system role); True where that dead-letters the message.

    `begin` has counted it; this dead-letters it at the bound, as the next beginning would. What a
    person has dead-lettered meanwhile stays so.
    """
    bound = settings.current().outbox_attempts_max
    dead_lettered_at = session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.id == message_id,
            OutboxMessage.completed_at.is_(None),
            OutboxMessage.dead_lettered_at.is_(None),
        )
        .values(
            last_error=error[:500],
            dead_lettered_at=case(
                (
                    (OutboxMessage.failures >= bound)
                    & OutboxMessage.topic.not_in(NEVER_DEAD_LETTERED),
                    session.info["now"],
                ),
                else_=None,
            ),
        )
        .returning(OutboxMessage.dead_lettered_at)
    ).scalar_one_or_none()
    return dead_lettered_at is not None


def remove_old(session: Session, *, days: int, limit: int) -> int:
    """Delete completed messages and kept answers older than so many days (system role).

    At most `limit` of each; returns how many of the larger kind went.
    """
    before = session.info["now"] - timedelta(days=days)
    counts = []
    for table, column in (("outbox_messages", "completed_at"), ("idempotency_keys", "created_at")):
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
    if not session.info.pop(ENQUEUED, False):
        return
    try:
        with db.system_autocommit() as autocommit:
            autocommit.execute(text(f"NOTIFY {CHANNEL}"))
    except SQLAlchemyError:
        logger.debug("the relay was not woken", exc_info=True)


db.after_commit(_wake_relay)
