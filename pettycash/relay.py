"""The relay hands what is owed to Celery. A supervised process of its own, not a task.

A message is only a hint: if it is lost, the obligation is due again. So the relay may publish
twice, die at any line, and run in several copies at once. Trouble with the broker never ends it.

`python -m pettycash.relay` is it alone, without the weight of the command line.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import FrameType
from typing import Any
from uuid import UUID

from celery import Celery
from sqlalchemy.engine.interfaces import DBAPIConnection

from pettycash import config, db, foundation, pooled, readiness, settings
from pettycash.celery_app import create_celery
from pettycash.crash_points import reach
from pettycash.services import heartbeats, outbox
from pettycash.settings import Settings
from pettycash.tasks.schedule import CANARY_SECONDS, QUEUES

logger = logging.getLogger("pettycash.relay")  # also where this is the main module

HEARTBEAT_SECONDS = 5.0
BROKER_RETRY_SECONDS = 2.0
TROUBLE_SECONDS = 2.0

Due = tuple[UUID, str]
"""An obligation's id and topic."""


class Relay:
    """Claims what is due, publishes it, sleeps until it is woken or a second has passed."""

    def __init__(self, publish: Callable[[Sequence[Due]], int]) -> None:
        self._publish = publish
        """Hands hints to the broker in order; returns how many it took before it failed."""
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
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
                if self.turn() >= settings.current().relay_batch_size:
                    pause = 0.0
                if not announced:
                    readiness.announce()
                    announced = True
            except pooled.BehindPooler as refusal:
                sys.exit(f"pettycash: {refusal}")
            except Exception:
                # Whatever it is: what is owed stays owed, and the next turn may be luckier.
                logger.exception("a turn of the relay failed")
                pause = TROUBLE_SECONDS
            self._wait(pause)
        self._forget_listener()

    def turn(self) -> int:
        """Claim, commit, publish; returns how many were due."""
        with db.scope(source="relay"):
            with db.system_transaction() as session:
                due = outbox.claim_due(session, limit=settings.current().relay_batch_size)
                if time.monotonic() - self._beaten > HEARTBEAT_SECONDS:
                    heartbeats.beat(session, name="relay", now=session.info["now"])
                    self._beaten = time.monotonic()
            if not due:
                return 0
            reach("relay.claimed")
            taken = self._publish(due)
            reach("relay.published")
            if taken < len(due):
                self._give_back([each for each, _ in due[taken:]])
        return len(due)

    def _give_back(self, obligation_ids: list[UUID]) -> None:
        logger.warning("the broker takes nothing", extra={"obligations": len(obligation_ids)})
        with db.system_transaction() as session:
            soon = session.info["now"] + timedelta(seconds=BROKER_RETRY_SECONDS)
            outbox.unclaim(session, obligation_ids, due_at=soon)

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


class Publisher:
    """Sends hints through Celery's broker; bounded in time by its settings."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def __call__(self, due: Sequence[Due]) -> int:
        """Publish in order; stops at the first that the broker does not take."""
        for taken, (obligation_id, topic) in enumerate(due):
            try:
                self._celery.send_task(topic, kwargs={"obligation_id": str(obligation_id)})
            except Exception:
                logger.warning("publishing failed", exc_info=True)
                return taken
        return len(due)

    def sing(self) -> None:
        """One canary per queue at once: the first of beat's come a minute after the start."""
        for queue in QUEUES:
            try:
                self._celery.send_task(
                    "canary.sing", kwargs={"queue": queue}, queue=queue, expires=CANARY_SECONDS
                )
            except Exception:
                logger.warning("the broker takes nothing", exc_info=True)
                return


def serve(configured: Settings) -> None:
    """Run the relay in this process until a signal stops it."""
    foundation.lay(configured)
    foundation.log_as_json()
    foundation.refuse_poolers()
    publisher = Publisher(create_celery(configured))
    running = Relay(publisher)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, running.stop)
    publisher.sing()
    running.run()


if __name__ == "__main__":
    serve(config.read())
