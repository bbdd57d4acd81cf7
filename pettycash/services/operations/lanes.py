"""Lanes: the relay hands out in turns, so that no backlog keeps others waiting.

A lane holds the messages of one company, or those to the rail of one provider account. In each
round every lane has its oldest; what no slot of its account or no room in its queue is free for
stays due.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, text, update
from sqlalchemy.orm import Session

from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db, settings
from pettycash.services.foundation import outbox
from pettycash.services.foundation.outbox import Begun
from pettycash.services.operations import heartbeats

CALLS = frozenset({"payments.submit", "payments.resolve"})
"""Topics whose lane is a provider account: no more of them are out than calls may be under way."""

FAILING = 5
"""How many times longer than a lost hint a task waits that began and has come to no end."""

ROUNDS_MIN = 10
"""The most that a lane is given in one turn, however many lanes there are."""

WAITS_ITS_TURN = """
    o.attempts > 0 AND o.handed_at > :now - interval '10 minutes'
    OR EXISTS (SELECT FROM rail_slots s WHERE s.provider_account_id = o.lane
        AND s.held_until > :late)
    OR EXISTS (SELECT FROM heartbeats h WHERE h.name = 'full:' || o.topic AND h.beaten_at > :late)
"""
"""A due message `o` does not count as late while its hint lies in a queue, its account
has taken a slot lately, or the relay says that its queue takes nothing more. `:late` is a minute
ago. Whether anybody works a queue off is for its heartbeat to show.
"""


class Lane(NamedTuple):
    """A lane of one topic in which something is due."""

    topic: str
    id: UUID


class Due(NamedTuple):
    """A message to be handed out."""

    id: UUID
    topic: str
    lane: UUID
    handed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The part of what was handed out before that the queue of a topic still holds."""

    is_full: bool = False
    since: datetime | None = None
    """Hints from then on may still lie in it, older ones do not; None: none does."""
    out: Mapping[UUID, int]
    """How many hints of each lane lie in it."""


@dataclass(frozen=True, kw_only=True)
class HandOut:
    """The messages that one turn hands out."""

    due: Sequence[Due]
    goes_on: bool
    """A lane has had its share, and may have more."""
    waits_for_slots: bool
    """An account has been given what it has slots for, and may have more."""


def waiting(autocommit: Session) -> list[Lane]:
    """The lanes in which something is due (`db.system_autocommit`).

    One look at the index for each lane with an open message, however many it has.
    """
    rows = autocommit.execute(WAITING, db.shift(), execution_options=db.PREPARED)
    return [Lane(topic=row.topic, id=row.lane) for row in rows]


WAITING = text(
    """
    WITH RECURSIVE lanes (topic, lane, due_at) AS (
        (SELECT topic, lane, due_at FROM outbox_messages
         WHERE completed_at IS NULL AND dead_lettered_at IS NULL
         ORDER BY topic, lane, due_at LIMIT 1)
        UNION ALL
        SELECT next.topic, next.lane, next.due_at
        FROM lanes, LATERAL (
            SELECT topic, lane, due_at FROM outbox_messages o
            WHERE completed_at IS NULL AND dead_lettered_at IS NULL
                AND (o.topic, o.lane) > (lanes.topic, lanes.lane)
            ORDER BY topic, lane, due_at LIMIT 1) AS next
    )
    SELECT topic, lane FROM lanes WHERE due_at <= now() + :clock_shift
    """
)


def claim(
    session: Session, *, lanes: Sequence[Lane], queues: Mapping[str, Queue], limit: int
) -> HandOut:
    """Take what is due (system role) and move it forward with backoff: one publisher at a time.

    At most `limit` in all and, of a provider account, as many as it has slots free. A hint that may
    still lie in its queue is not taken again. Rows locked by another relay are skipped. `queues`
    names the topics of `lanes`, and all of CALLS where one of these is among them.
    """
    now = session.info["now"]
    open_lanes = [each for each in lanes if not queues[each.topic].is_full]
    if not open_lanes:
        return HandOut(due=[], goes_on=False, waits_for_slots=False)
    turns = {each: each if each.topic not in CALLS else each.id for each in open_lanes}
    share = max(ROUNDS_MIN, -(-2 * limit // len(set(turns.values()))))
    numbers = {turn: number for number, turn in enumerate(dict.fromkeys(turns.values()))}
    slots = _slots_free(session, [each.id for each in open_lanes if each.topic in CALLS], now=now)
    rooms = [
        min(share, limit, slots[each.id] - _out(queues, each.id) if each.topic in CALLS else limit)
        for each in open_lanes
    ]
    rows = session.execute(
        CLAIM,
        {
            "topics": [each.topic for each in open_lanes],
            "lanes": db.array(each.id for each in open_lanes),
            "turns": [numbers[turns[each]] for each in open_lanes],
            "rooms": [max(room, 0) for room in rooms],
            "sinces": [queues[each.topic].since for each in open_lanes],
            "now": now,
            "limit": limit,
            **_backoff(),
        },
        execution_options=db.PREPARED,
    ).all()
    rows = sorted(rows, key=lambda row: (row.round, row.was_due_at))
    due = [Due(id=row.id, topic=row.topic, lane=row.lane, handed_at=now) for row in rows]
    taken = Counter(each.lane for each in due)
    return HandOut(
        due=due,
        goes_on=len(due) >= min(share, limit),
        waits_for_slots=any(
            each.topic in CALLS and taken[each.id] >= room
            for each, room in zip(open_lanes, rooms, strict=True)
        ),
    )


def _out(queues: Mapping[str, Queue], lane: UUID) -> int:
    """How many hints of an account lie in queues; its topics may share one."""
    different = {id(queues[topic]): queues[topic] for topic in CALLS}.values()
    return sum(each.out.get(lane, 0) for each in different)


def _slots_free(session: Session, accounts: Sequence[UUID], *, now: datetime) -> dict[UUID, int]:
    cap = settings.current().rail_calls_at_once
    held = session.execute(
        SLOTS, {"accounts": db.array(accounts), "now": now}, execution_options=db.PREPARED
    )
    return dict.fromkeys(accounts, cap) | {row.account: cap - row.held for row in held}


SLOTS = text(
    """
    SELECT provider_account_id AS account, count(*) AS held FROM rail_slots
    WHERE provider_account_id = ANY(:accounts) AND holder IS NOT NULL AND held_until > :now
    GROUP BY provider_account_id
    """
)

BACKOFF = """make_interval(secs => least(
    CAST(:backoff AS float8) * 2 ^ least(o.attempts, 10), CAST(:longest AS float8)
    * CASE WHEN o.failures > 0 THEN CAST(:failing AS float8) ELSE 1 END))"""
"""How long after the hint to a message `o` the next one is given."""

CLAIM = text(
    f"""
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:lanes AS uuid[]),
            CAST(:turns AS int[]), CAST(:rooms AS int[]), CAST(:sinces AS timestamptz[]))
            AS w (topic, lane, turn, room, since)
    ), ranked AS (
        SELECT o.id, o.due_at, w.room,
            row_number() OVER (PARTITION BY w.turn ORDER BY o.due_at, o.id) AS round
        FROM wanted w, LATERAL (
            SELECT id, due_at FROM outbox_messages
            WHERE topic = w.topic AND lane = w.lane AND due_at <= :now
                AND completed_at IS NULL AND dead_lettered_at IS NULL
                AND (attempts = 0 OR w.since IS NULL OR handed_at < w.since)
            ORDER BY due_at LIMIT w.room) AS o
    ), chosen AS MATERIALIZED (
        SELECT id, round FROM ranked WHERE round <= room ORDER BY round, due_at LIMIT :limit
    ), due AS MATERIALIZED (
        SELECT o.id, o.due_at, chosen.round FROM chosen JOIN outbox_messages o ON o.id = chosen.id
        WHERE coalesce(o.completed_at, o.dead_lettered_at) IS NULL
            AND o.due_at - :now <= interval '0'
        FOR NO KEY UPDATE OF o SKIP LOCKED
    )
    UPDATE outbox_messages o SET attempts = o.attempts + 1, handed_at = :now,
        due_at = CAST(:now AS timestamptz) + {BACKOFF}
    FROM due WHERE o.id = due.id
    RETURNING o.id, o.topic, o.lane, due.due_at AS was_due_at, due.round
    """  # noqa: S608 - an expression of ours
)
"""One statement for a whole batch; a second relay skips what the first has locked.

The second look at what is chosen is worded so that it can only be found by its key: statistics of
before a backlog say that next to nothing is open, and all of it would be read for each row.
"""


def following(autocommit: Session, *, ended: UUID) -> Begun | None:
    """End a call, claim what is due next in its lane, and begin it (`db.system_autocommit`).

    One statement for what a task costs three, `outbox.ended` and `outbox.begin` among them. A
    worker that goes on by itself spares a turn of the relay and a message, and no slot stands empty
    until the relay looks again. What it takes is counted as handed out.
    """
    bound = settings.current().outbox_attempts_max
    row = autocommit.execute(
        FOLLOWING,
        {"ended": ended, "bound": bound, **_backoff(), **db.shift()},
        execution_options=db.PREPARED,
    ).one_or_none()
    return None if row is None else outbox.begun(row)


FOLLOWING = text(
    f"""
    WITH ended AS (
        UPDATE outbox_messages SET failures = 0, last_error = NULL
        WHERE id = :ended AND completed_at IS NULL AND dead_lettered_at IS NULL
    ), next AS (
        SELECT next.id FROM outbox_messages before, LATERAL (
            SELECT id FROM outbox_messages
            WHERE topic = before.topic AND lane = before.lane AND id <> before.id
                AND due_at <= now() + :clock_shift
                AND completed_at IS NULL AND dead_lettered_at IS NULL
            ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS next
        WHERE before.id = :ended
    )
    UPDATE outbox_messages o SET attempts = o.attempts + 1, handed_at = now() + :clock_shift,
        due_at = now() + :clock_shift + {BACKOFF}, failures = o.failures + 1,
        dead_lettered_at = CASE WHEN o.failures >= :bound THEN now() + :clock_shift END
    FROM next WHERE o.id = next.id
    RETURNING o.id, o.topic, o.key, o.company_id, o.request_id, o.dead_lettered_at
    """  # noqa: S608 - an expression of ours
)


def _backoff() -> dict[str, float]:
    timing = settings.current()
    return {
        "backoff": timing.relay_backoff_seconds,
        "longest": timing.relay_backoff_max_seconds,
        "failing": FAILING,
    }


def unpublish(session: Session, message_ids: Sequence[UUID], *, due_at: datetime) -> None:
    """The broker did not take them (system role): due again soon, not counted as published."""
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(message_ids), OutboxMessage.completed_at.is_(None))
        .values(due_at=due_at, attempts=func.greatest(OutboxMessage.attempts - 1, 0))
    )


def mark_full(session: Session, queues: Mapping[str, Queue]) -> None:
    """Mark the topics whose queue takes nothing more now (system role)."""
    for topic in sorted(queues):
        if queues[topic].is_full:
            heartbeats.beat(session, name=f"full:{topic}", now=session.info["now"])
