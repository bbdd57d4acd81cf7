"""How every periodic task runs: counted before it begins, given up for an hour after some failures.

A child of a worker that is killed gives its message back, so a task that kills its process would
come again at once, for ever. Outbox tasks are counted in their message, these in `periodic_jobs`.
"""

import functools
import logging
from collections.abc import Callable

from celery import shared_task

from pettycash.runtime import db
from pettycash.services.operations import periodic_jobs
from pettycash.tasks.outbox_tasks import without_values

logger = logging.getLogger(__name__)


def periodic_task(name: str) -> Callable[[Callable[[], None]], Callable[..., None]]:
    """Make a function a Celery task that beat starts. It does all that is due, in its own
    transactions; safe to run twice, to be left out, and to be killed at any line."""

    def decorator(function: Callable[[], None]) -> Callable[..., None]:
        @shared_task(name=name)
        @functools.wraps(function)
        def task(**_from_newer_publishers: object) -> None:
            with db.scope(source=f"task:{name}"):
                run(name, function)

        made: Callable[..., None] = task
        return made

    return decorator


def run(name: str, function: Callable[[], None]) -> None:
    """Run one periodic task now, in this process."""
    with db.system_autocommit() as autocommit:
        may_begin = periodic_jobs.begin(autocommit, name=name)
    if not may_begin:
        logger.error("periodic job failed too often, and waits for an hour", extra={"job": name})
        return
    try:
        function()
    except Exception as error:
        with db.system_autocommit() as autocommit:
            periodic_jobs.failed(autocommit, name=name, error=without_values(error))
        raise
    with db.system_autocommit() as autocommit:
        periodic_jobs.ended(autocommit, name=name)
