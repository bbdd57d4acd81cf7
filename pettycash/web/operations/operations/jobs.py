"""Background parts and jobs: relay, beat, workers of each queue, the clock's jobs."""

from collections.abc import Sequence
from typing import Any

from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import heartbeats, periodic_jobs
from pettycash.web.operations import operation
from pettycash.web.schemas import jobs as shapes


@operation("jobs.get", answers=shapes.JobsSchema, example=shapes.EXAMPLE_JOBS)
def get(uow: Uow) -> dict[str, Sequence[Any]]:
    """Read when each background part was last heard of, and how each periodic job ended."""
    return {
        "parts": heartbeats.signs(uow.session, now=uow.now),
        "jobs": periodic_jobs.begun(uow.session),
    }
