"""The relay hands due outbox messages to Celery. A supervised process of its own, not a task.

A message is only a hint: if it is lost, the outbox message is due again. So the relay may publish
twice, die at any line, and run in several copies at once. Trouble with the broker never ends it.
A hint that still waits in its queue is not published again, and a full queue is given nothing.

`python -m pettycash.relay` is it alone, without the weight of the command line.
"""

import logging
import math
import os
import select
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from celery import Celery
from kombu import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection

from pettycash.celery_app import create_celery
from pettycash.runtime import config, db, pool, process, readiness, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.settings import Settings
from pettycash.services.foundation import outbox
from pettycash.services.operations import heartbeats, lanes
from pettycash.services.operations.lanes import Due, Queue
from pettycash.tasks.schedule import QUEUE_HEARTBEAT_SECONDS, QUEUES

logger = logging.getLogger("pettycash.relay")  # also where this is the main module

HEARTBEAT_SECONDS = 5.0
BROKER_RETRY_SECONDS = 2.0
TROUBLE_SECONDS = 2.0

SLOT_SECONDS = 0.1
"""How soon it looks again where more is due than an account has slots: nobody says that a call has
ended."""

FULL_BATCHES = 2
"""A queue that holds so many batches is given nothing more: what waits in it is out of turn."""

IDS_PER_MESSAGE = 1
"""How many of one topic and lane go into one message."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Broker(Protocol):
    """Where the relay hands its hints to."""

    def look(self, topics: Iterable[str]) -> Mapping[str, Queue]:
        """The contents of the queue of each topic."""

    def publish(self, due: Sequence[Due]) -> int:
        """Hand hints over in order; returns how many it took before it failed."""


class Relay:
    """Claims what is due, publishes it, sleeps until it is woken or a second has passed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self._pause = math.inf
        self._listener: DBAPIConnection | None = None
        self._beaten = float("-inf")

    def stop(self, *_signal: int | FrameType | None) -> None:
        """End after the turn that is going on."""
        self._stopping = True
        os.write(self._wake_write, b"x")

    def run(self) -> None:
        """Turn until stopped."""
        interval = settings.current().relay_interval_seconds
        announced = False
        while not self._stopping:
            pause = interval
            try:
                self.turn()
                pause = min(self._pause, interval)
                if not announced:
                    readiness.announce()
                    announced = True
            except pool.BehindPooler as refusal:
                sys.exit(f"pettycash: {refusal}")
            except Exception:
                # Whatever it is: what is due stays due, and the next turn may succeed.
                logger.exception("a turn of the relay failed")
                pause = TROUBLE_SECONDS
            self._wait(pause)
        self._forget_listener()

    def turn(self) -> int:
        """Claim, commit, publish; returns how many were claimed."""
        self._pause = math.inf
        with db.scope(source="relay"):
            due = self._claim()
            if not due:
                return 0
            crash_point("relay.claimed")
            taken = self._broker.publish(due)
            crash_point("relay.published")
            if taken < len(due):
                self._give_back([each.id for each in due[taken:]])
        return len(due)

    def _claim(self) -> Sequence[Due]:
        """Ask in which lanes something is due, the broker for room, and take what there is."""
        with db.system_autocommit() as autocommit:
            waiting = lanes.waiting(autocommit)
        queues: Mapping[str, Queue] = {}
        if waiting:
            queues = self._broker.look({each.topic for each in waiting} | lanes.CALLS)
        is_silent = time.monotonic() - self._beaten > HEARTBEAT_SECONDS
        if not waiting and not is_silent:
            return []
        with db.system_transaction() as session:
            limit = settings.current().relay_batch_size
            turn = lanes.claim(session, lanes=waiting, queues=queues, limit=limit)
            if is_silent:
                lanes.mark_full(session, queues)
                heartbeats.beat(session, name="relay", now=session.info["now"])
                self._beaten = time.monotonic()
        if turn.waits_for_slots:
            self._pause = SLOT_SECONDS
        if turn.goes_on:
            self._pause = 0.0
        return turn.due

    def _give_back(self, message_ids: list[UUID]) -> None:
        self._pause = math.inf
        logger.warning("the broker takes nothing", extra={"messages": len(message_ids)})
        with db.system_transaction() as session:
            soon = session.info["now"] + timedelta(seconds=BROKER_RETRY_SECONDS)
            lanes.unpublish(session, message_ids, due_at=soon)

    def _wait(self, seconds: float) -> None:
        watched: list[Any] = [self._wake_read]
        listener = self._listening()
        if listener is not None:
            watched.append(listener)
        try:
            ready, _, _ = select.select(watched, [], [], seconds)
            if listener is not None and listener in ready:
                listener.poll()
                listener.notifies.clear()
        except Exception:
            logger.warning("the relay's listening connection broke", exc_info=True)
            self._forget_listener()

    def _listening(self) -> Any:
        """A connection that hears NOTIFY; None where there is none now: the sweep does without."""
        if self._listener is None:
            try:
                raw = db.engine(system=True).raw_connection()
                # Once detached it no longer knows its driver's connection.
                connection: Any = raw.driver_connection
                raw.detach()
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {outbox.CHANNEL}")
                self._listener = connection
            except Exception:
                logger.warning("the relay can't listen", exc_info=True)
        return self._listener

    def _forget_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            try:
                listener.close()
            except Exception:
                logger.debug("closing a broken connection", exc_info=True)


class Given(NamedTuple):
    """A message that a queue was given."""

    handed_at: datetime
    lane: UUID
    messages: int


class Publisher:
    """Sends hints through Celery's broker; bounded in time by its settings."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._connection: Connection | None = None
        self._channel: Any = None
        self._given: dict[str, deque[Given]] = {name: deque() for name in celery.amqp.queues}
        """Messages given to each queue, oldest first. It hands out in order: what it holds is the
        end of this, as far as this relay knows it."""

    def look(self, topics: Iterable[str]) -> Mapping[str, Queue]:
        """The contents of the queue of each topic; unknown while the broker is away."""
        names = {topic: self._queue_of(topic) for topic in topics}
        depths = self._depths(set(names.values()))
        queues = {name: self._queue(name, depth) for name, depth in depths.items()}
        return {topic: queues[name] for topic, name in names.items()}

    def publish(self, due: Sequence[Due]) -> int:
        """Publish in order; stops at the first that the broker does not take."""
        taken = 0
        for message in _messages(due):
            first = message[0]
            try:
                self._celery.send_task(
                    first.topic, kwargs={"messages": [str(each.id) for each in message]}
                )
            except Exception:
                logger.warning("publishing failed", exc_info=True)
                return taken
            self._given[self._queue_of(first.topic)].append(
                Given(first.handed_at, first.lane, len(message))
            )
            taken += len(message)
        return taken

    def _queue_of(self, topic: str) -> str:
        return str(self._celery.amqp.router.route({}, topic)["queue"].name)

    def _queue(self, name: str, depth: int | None) -> Queue:
        given = self._given[name]
        if depth is None:
            given.clear()
            return Queue(out={})
        while len(given) > depth:
            given.popleft()
        since = None
        if depth:
            since = given[0].handed_at if len(given) == depth else LONG_AGO
        out: Counter[UUID] = Counter()
        for each in given:
            out[each.lane] += each.messages
        is_full = depth >= FULL_BATCHES * settings.current().relay_batch_size
        return Queue(is_full=is_full, since=since, out=out)

    def _depths(self, names: Iterable[str]) -> dict[str, int | None]:
        """How many messages wait in each queue, in a bounded time; None: the broker is away."""
        depths: dict[str, int | None] = dict.fromkeys(names)
        try:
            if self._channel is None:
                self._connection = self._celery.connection_for_write()
                self._channel = self._connection.channel()
            for name in depths:
                queue: Any = self._celery.amqp.queues[name]
                depths[name] = int(queue.queue_declare(channel=self._channel).message_count)
        except Exception:
            logger.warning("the broker can't be asked", exc_info=True)
            connection, self._connection, self._channel = self._connection, None, None
            if connection is not None:
                with suppress(Exception):
                    connection.release()
        return depths

    def sing(self) -> None:
        """One heartbeat per queue at once: the first of beat's come a minute after the start."""
        for queue in QUEUES:
            try:
                self._celery.send_task(
                    "heartbeats.beat",
                    kwargs={"queue": queue},
                    queue=queue,
                    expires=QUEUE_HEARTBEAT_SECONDS,
                )
            except Exception:
                logger.warning("the broker takes nothing", exc_info=True)
                return


def _messages(due: Sequence[Due]) -> list[list[Due]]:
    """One message for so many neighbours of one topic and lane."""
    messages: list[list[Due]] = []
    for each in due:
        last = messages[-1] if messages else []
        is_alike = bool(last) and (last[0].topic, last[0].lane) == (each.topic, each.lane)
        if is_alike and len(last) < IDS_PER_MESSAGE:
            last.append(each)
        else:
            messages.append([each])
    return messages


def serve(configured: Settings) -> None:
    """Run the relay in this process until a signal stops it."""
    process.lay(configured)
    process.log_as_json()
    process.refuse_poolers()
    publisher = Publisher(create_celery(configured))
    running = Relay(publisher)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, running.stop)
    publisher.sing()
    running.run()


if __name__ == "__main__":
    serve(config.read())
