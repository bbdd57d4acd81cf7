"""The Celery application of beat, and a beat that is alone."""

import logging
import math
import time
from datetime import timedelta
from typing import Any

from celery import Celery, signals
from celery.beat import Scheduler
from celery.utils.log import get_multiprocessing_logger
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from pettycash.celery_app import create_celery
from pettycash.runtime import db, process, readiness
from pettycash.runtime.settings import Settings
from pettycash.services.operations import heartbeats

logger = logging.getLogger(__name__)

BEAT_LOCK = 0x7065_7474_7963_6173
"""The advisory lock of the one beat that acts ("pettycas" in ASCII)."""

LONG_AGO = timedelta(days=366)


class LeaderScheduler(Scheduler):
    """Beat that ticks only while it holds an advisory lock, so that a second one is harmless.

    The lock belongs to a connection of its own: PostgreSQL frees it within milliseconds when the
    leader dies. Two leaders may overlap for a moment where a connection is half-open, and no run is
    repeated for one that was missed; so every periodic task does "all that is due".
    """

    retry_seconds = 5.0
    """How often it asks whether it may lead, and whether it still does."""

    sign_every_seconds = 20.0
    """How often the leader leaves its sign of life, which /readyz reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._connection: Connection | None = None
        self._leads = False
        self._signed_at = -math.inf
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due if we lead; seconds until the next look."""
        led, self._leads = self._leads, self._holds_lock()
        if not self._leads:
            return self.retry_seconds
        if not led:
            logger.info("this beat leads")
            self._begin_with_everything()
        self._leave_sign()
        wait = super().tick(*args, **kwargs)
        return float(min(wait, self.retry_seconds))

    def _begin_with_everything(self) -> None:
        """Make every entry due, since beat may have been away and each does all that is due."""
        for entry in self.schedule.values():
            entry.last_run_at = entry.default_now() - LONG_AGO
        self._heap = None

    def _leave_sign(self) -> None:
        if time.monotonic() - self._signed_at < self.sign_every_seconds:
            return
        try:
            with db.system_transaction() as session:
                heartbeats.beat(session, name="beat", now=session.info["now"])
        except SQLAlchemyError:
            logger.warning("beat can't leave its sign of life", exc_info=True)
        else:
            self._signed_at = time.monotonic()

    def _holds_lock(self) -> bool:
        try:
            if self._connection is None:
                self._connection = (
                    db.engine(system=True).connect().execution_options(isolation_level="AUTOCOMMIT")
                )
            if self._leads:
                # The lock is the connection's: while that lives, so does the lock.
                self._connection.execute(text("SELECT 1"))
                return True
            taken = text("SELECT pg_try_advisory_lock(:key)")
            return bool(self._connection.execute(taken, {"key": BEAT_LOCK}).scalar_one())
        except SQLAlchemyError:
            logger.warning("beat can't reach the database", exc_info=True)
            self._let_go()
            return False

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Give the lock to the next beat at once."""
        self._let_go()
        super().close()


def create_beat(settings: Settings) -> Celery:
    """Lay the foundation of the process and build its Celery application."""
    process.lay(settings)
    celery = create_celery(settings)
    celery.conf.beat_scheduler = LeaderScheduler
    return celery


@signals.setup_logging.connect
def _log_as_json(**_rest: object) -> None:
    """Of a worker, too, which knows this module."""
    process.log_as_json()
    # It keeps to itself, and what nobody handles is written as it is: "Process … exited".
    pool = get_multiprocessing_logger()
    if pool is not None:
        pool.propagate = True
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)  # `tasks.running` says it with its ids


@signals.beat_init.connect
def _beat_is_ready(**_rest: object) -> None:
    process.refuse_poolers()
    readiness.announce()
