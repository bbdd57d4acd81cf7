"""The Celery application: the settings that reliability asks for, and a beat that is alone.

Celery over Redis can lose a message, run it twice, and run it twice at once. So a message is only
a hint to look at a row; these settings make each of the three rarer, none removes it.
"""

import gc
import logging
import math
import pkgutil
import threading
import time
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from celery import Celery, current_app, signals
from celery.beat import Scheduler
from kombu import Exchange, Queue
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from pettycash import composition, db, hearing, readiness
from pettycash.services import heartbeats
from pettycash.settings import Settings
from pettycash.tasks import running, schedule

logger = logging.getLogger(__name__)

ROUTES = {
    "payments.*": {"queue": "payments"},
    "notifications.*": {"queue": "notifications"},
    "otp.*": {"queue": "notifications"},
    "reconciliation.*": {"queue": "batch"},
    "ledger.*": {"queue": "batch"},
}
"""By the domain that begins a task's name; everything else goes to `default`."""

BEAT_LOCK = 0x7065_7474_7963_6173
"""The advisory lock of the one beat that acts ("pettycas" in ASCII)."""

LONG_AGO = timedelta(days=366)

SOFT_SHUTDOWN_SECONDS = {"production": 25.0}
SOFT_SHUTDOWN_ELSEWHERE_SECONDS = 3.0
"""How long a worker that must stop gives its running tasks."""

STUCK_AFTER_SECONDS = 3.0
"""What a stopping worker may take beyond that before it is stuck."""

BROKER_OPTIONS = {
    # Twice the usual hard time limit and more, or a message comes back while its task still runs:
    # as that of a long night may, whose second run waits for the first one's lock and gives up.
    "visibility_timeout": 300,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # Without these a half-open connection hangs for ever.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "global_keyprefix": "pettycash:",
}


class LeaderScheduler(Scheduler):
    """Beat that ticks only while it holds an advisory lock, so that a second one is harmless.

    The lock belongs to a connection of its own: PostgreSQL frees it within milliseconds when the
    leader dies. Two leaders may overlap for a moment where a connection is half-open, and no run is
    made up for one that was missed; so every periodic task does "all that is due".
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
        """Nobody may have beaten for long: every entry is due, since each does all that is due."""
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


def create_celery(settings: Settings) -> Celery:
    """Compose the process and build its Celery application."""
    composition.compose(settings)
    celery = Celery("pettycash", broker=settings.broker_url, include=list(task_modules()))
    celery.steps["consumer"].add(hearing.Turning)
    is_production = settings.environment == "production"
    over_redis = settings.broker_url.startswith(("redis", "rediss"))
    arguments = None if over_redis else {"x-queue-type": "quorum"}
    celery.conf.update(
        task_queues=[
            # Named in full: without a key of its own a queue would get Celery's default one.
            Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments)
            for name in schedule.QUEUES
        ],
        task_default_queue="default",
        task_create_missing_queues=False,
        task_routes=ROUTES,
        broker_transport_options=BROKER_OPTIONS if over_redis else {"confirm_publish": True},
        task_acks_late=True,
        # The claim in PostgreSQL makes a second run harmless; without this a killed child's
        # message is acknowledged and lost.
        task_reject_on_worker_lost=True,
        task_time_limit=running.USUAL_SECONDS + running.GRACE_SECONDS,
        task_soft_time_limit=running.USUAL_SECONDS,
        worker_prefetch_multiplier=1,
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS.get(
            settings.environment, SOFT_SHUTDOWN_ELSEWHERE_SECONDS
        ),
        worker_enable_soft_shutdown_on_idle=is_production,
        # A payment must not be shot between "sent" and "recorded".
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_max_tasks_per_child=1000,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry_policy={
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        enable_utc=True,
        timezone="UTC",
        beat_scheduler=LeaderScheduler,
        beat_schedule=dict(schedule.SCHEDULE),
        beat_max_loop_interval=30,
        beat_enable_remote_control=True,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
    )
    return celery


def task_modules() -> list[str]:
    """Every module of the tasks room; a new one is found by itself."""
    spec = find_spec("pettycash.tasks")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return [f"pettycash.tasks.{each.name}" for each in pkgutil.iter_modules(folders)]


@signals.setup_logging.connect
def _log_as_json(**_rest: object) -> None:
    composition.log_as_json()


@signals.worker_before_create_process.connect
def _share_what_is_loaded(**_rest: object) -> None:
    """Keep the collector's hands off what is loaded, so that children go on sharing its pages."""
    gc.collect()
    gc.freeze()


@signals.worker_process_init.connect
def _leave_the_parent_its_sockets(**_rest: object) -> None:
    db.dispose(close=False)


@signals.worker_shutting_down.connect
def _never_hang_while_stopping(**_rest: object) -> None:
    """End the process where Celery does not.

    A worker whose broker goes away while it stops waits for it for ever (seen with 5.7.0). What it
    had not finished is still owed, so ending hard loses nothing.
    """
    allowed = current_app.conf.worker_soft_shutdown_timeout + STUCK_AFTER_SECONDS
    why = "the worker is stuck while stopping and is ended"
    end = threading.Timer(allowed, hearing.end_hard, args=(why,))
    end.daemon = True
    end.start()


@signals.worker_ready.connect
def _worker_is_ready(sender: Any, **_rest: object) -> None:
    readiness.announce()
    if sender.app.conf.broker_url.startswith(("redis", "rediss")):
        hearing.listen(sender)


@signals.beat_init.connect
def _beat_is_ready(**_rest: object) -> None:
    readiness.announce()
