"""A Celery application with pettycash's settings and two tasks of the tests' own."""

import os
import time

from celery import Celery, signals

from pettycash import celery_app, config
from pettycash.celery_app import LeaderScheduler, create_celery

if "PROBE_DEAF_AFTER" in os.environ:
    celery_app.DEAF_AFTER_SECONDS = float(os.environ["PROBE_DEAF_AFTER"])
    celery_app.DEAF_LOOKS_SECONDS = 0.5


class ImpatientScheduler(LeaderScheduler):
    """Asks for the lead twice a second, so that a test need not wait."""

    retry_seconds = 0.5


celery: Celery = create_celery(config.read())
celery.conf.update(
    beat_scheduler=ImpatientScheduler,
    beat_max_loop_interval=0.5,
    beat_schedule={
        "probe": {"task": "default.beat", "schedule": 1 / int(os.environ["PROBE_BEATS"])}
    },
)


@celery.task(name="payments.slow")
def slow(*, obligation_id: str) -> None:
    """Append "began" and, two seconds later, "ended" to a file."""
    with open(os.environ["PROBE_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        print("began", obligation_id, file=file, flush=True)
        time.sleep(2)
        print("ended", obligation_id, file=file, flush=True)


@signals.setup_logging.connect
def _log_plainly(**_rest: object) -> None:
    """Keep what the application's own handler set up."""
