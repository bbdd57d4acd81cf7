"""A Celery task that does nothing and is acknowledged late: what a message costs by itself.

The reference of what goes through relay and workers, with the settings of the real ones.
"""

import os

from celery import Celery, signals

from pettycash.celery_app import BROKER_OPTIONS
from pettycash.runtime import readiness

QUEUE = TASK = "noop"


def create(broker_url: str) -> Celery:
    """The application of the worker and of whoever publishes."""
    celery = Celery("noop", broker=broker_url)
    celery.conf.update(
        broker_transport_options=BROKER_OPTIONS,
        task_default_queue=QUEUE,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        task_send_sent_event=True,
    )
    return celery


celery = create(os.environ.get("REDIS_URL", ""))


@signals.worker_ready.connect
def notify_supervisor(**_: object) -> None:
    """The worker takes tasks from now on."""
    readiness.announce()


@celery.task(name=TASK, shared=False)  # nobody else's application has it
def noop(*, messages: list[str]) -> None:
    """Take what a hint takes, and do nothing."""
