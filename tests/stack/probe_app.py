"""A Celery application with pettycash's settings, a task and a command of the tests' own."""

import os
import signal
import time

from celery import Celery, signals
from celery.worker.control import control_command

from pettycash.beat_app import LeaderScheduler
from pettycash.runtime import broker_watchdog, config
from pettycash.tasks.periodic import periodic_task
from pettycash.worker_app import create_worker

if "PROBE_DEAF_AFTER" in os.environ:
    broker_watchdog.UNRESPONSIVE_AFTER_SECONDS = float(os.environ["PROBE_DEAF_AFTER"])
    broker_watchdog.LOOKS_SECONDS = 1.5


class ImpatientScheduler(LeaderScheduler):
    """Asks for the lead twice a second, so that a test need not wait."""

    retry_seconds = 0.5


celery: Celery = create_worker(config.read())
if "PROBE_SOFT_SECONDS" in os.environ:
    celery.conf.worker_soft_shutdown_timeout = float(os.environ["PROBE_SOFT_SECONDS"])
celery.conf.update(
    beat_scheduler=ImpatientScheduler,
    beat_max_loop_interval=0.5,
    beat_schedule={
        "probe": {"task": "ledger.beat", "schedule": 1 / int(os.environ["PROBE_BEATS"])}
    },
)


@celery.task(name="payments.slow")
def slow(*, message_id: str) -> None:
    """Append "began" and, two seconds later, "ended" to a file."""
    with open(os.environ["PROBE_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        print("began", message_id, file=file, flush=True)
        time.sleep(2)
        print("ended", message_id, file=file, flush=True)


@periodic_task("payments.deadly")
def deadly() -> None:
    """Say so in a file, and kill the process."""
    with open(os.environ["PROBE_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        print("began", file=file, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@control_command()  # type: ignore[untyped-decorator]
def stand_still(_state: object) -> None:
    """Keep the event loop, which answers such commands, from turning."""
    time.sleep(600)


@signals.setup_logging.connect
def _log_plainly(**_rest: object) -> None:
    """Keep what the application's own handler set up."""
