"""The Celery application of a worker: the tasks, what they stand on, and when a worker must end."""

import gc
import pkgutil
import threading
from importlib.util import find_spec
from typing import Any

from celery import Celery, current_app, signals
from celery.apps import worker as celery_worker
from sqlalchemy.orm import configure_mappers

from pettycash import composition
from pettycash.beat_app import LeaderScheduler
from pettycash.celery_app import create_celery
from pettycash.runtime import broker_watchdog, db, log_lines, process, readiness
from pettycash.runtime.settings import Settings
from pettycash.tasks import outbox_tasks

STUCK_AFTER_SECONDS = 3.0
"""How long a worker that has given its tasks their time may take to end before it is stuck."""


def create_worker(settings: Settings) -> Celery:
    """Compose the process and build the application that holds every task.

    A beat may run on it as well: `celery -A celery_worker beat`.
    """
    composition.compose(settings)
    celery = create_celery(settings)
    celery.conf.update(
        include=task_modules(),
        task_time_limit=outbox_tasks.USUAL_SECONDS + outbox_tasks.GRACE_SECONDS,
        task_soft_time_limit=outbox_tasks.USUAL_SECONDS,
        beat_scheduler=LeaderScheduler,
    )
    return celery


def task_modules() -> list[str]:
    """Every module of the tasks room; a new one is found by itself."""
    spec = find_spec("pettycash.tasks")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return [f"pettycash.tasks.{each.name}" for each in pkgutil.iter_modules(folders)]


@signals.celeryd_init.connect
def _refuse_poolers(instance: Any, **_rest: object) -> None:
    instance.quiet = True  # its banner is no line of the log
    celery_worker.safe_say = _say  # type: ignore[attr-defined]
    process.refuse_poolers()


def _say(message: str, _file: object = None) -> None:
    """Say what Celery says past the log, since it says it in a signal handler: that it ends."""
    log_lines.say_from_a_signal(message, logger=celery_worker.__name__)


@signals.worker_before_create_process.connect
def _share_what_is_loaded(**_rest: object) -> None:
    """Keep the collector's hands off what is loaded, so that children go on sharing its pages.

    Each child would configure the mappers at its first query, in pages of its own.
    """
    configure_mappers()
    gc.collect()
    gc.freeze()


@signals.worker_process_init.connect
def _leave_the_parent_its_sockets(**_rest: object) -> None:
    db.dispose(close=False)


@signals.worker_shutting_down.connect
def _never_hang_while_stopping(how: str, **_rest: object) -> None:
    """End the process where Celery does not.

    A worker whose broker goes away while it stops waits for it for ever (seen with 5.7.0). What it
    had not finished is still open, so ending hard loses nothing. Celery 5.7.0 tells of a cold end
    when the soft shutdown is over, of a warm one when it begins.
    """
    tasks_have = 0.0 if how == "Cold" else current_app.conf.worker_soft_shutdown_timeout
    allowed = tasks_have + STUCK_AFTER_SECONDS
    why = "the worker is stuck while stopping and is ended"
    end = threading.Timer(allowed, broker_watchdog.end_hard, args=(why,))
    end.daemon = True
    end.start()


@signals.worker_ready.connect
def _worker_is_ready(sender: Any, **_rest: object) -> None:
    readiness.announce()
    if sender.app.conf.broker_url.startswith(("redis", "rediss")):
        broker_watchdog.watch(sender)
