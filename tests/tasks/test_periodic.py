"""Jobs that beat starts: counted before they run, left alone for an hour after some failures."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from pettycash.models.operations import PeriodicJob
from pettycash.runtime import db
from pettycash.services.operations import periodic_jobs
from pettycash.services.reconciliation import invariants
from pettycash.tasks import periodic
from pettycash.tasks.schedule import SCHEDULE
from pettycash.worker_app import create_worker
from tests.factories import working
from tests.factories.people import company_id
from tests.servers import Database

JOB = "outbox.sweep_out"


class Killed(BaseException):
    """The process is gone: nothing catches it."""


class Job:
    """Does what it is told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.ends_by: BaseException | None = None

    def __call__(self) -> None:
        self.runs += 1
        if self.ends_by is not None:
            raise self.ends_by


@pytest.fixture(autouse=True)
def _scope(live: Database) -> Iterator[None]:
    with db.scope(company_id=company_id("DEMO"), source="test"):
        yield


def run(job: Job) -> None:
    try:
        periodic.run(JOB, job)
    except (Killed, RuntimeError):
        return


def found() -> list[str]:
    """What the auditor finds."""
    only = frozenset({"periodic_jobs_end"})
    with db.transaction() as session:
        (result,) = invariants.check_all(session, now=session.info["now"], only=only)
    return [each.object_id for each in result.findings]


def row() -> PeriodicJob:
    with db.system_transaction() as session:
        return session.execute(select(PeriodicJob).where(PeriodicJob.name == JOB)).scalar_one()


@pytest.mark.parametrize("how", [Killed(), RuntimeError("the database is odd")])
def test_a_job_that_comes_to_no_end_is_tried_once_an_hour(
    how: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    job = Job()
    job.ends_by = how
    for _ in range(10):
        run(job)
    assert job.runs == periodic_jobs.FAILURES_MAX
    assert found() == [JOB]
    assert "waits for an hour" in caplog.text
    assert row().last_error == (str(f"RuntimeError: {how}") if str(how) else None)

    working.wait(3601)
    for _ in range(10):
        run(job)
    assert job.runs == periodic_jobs.FAILURES_MAX + 1

    working.wait(3601)
    job.ends_by = None
    for _ in range(3):
        run(job)
    assert job.runs == periodic_jobs.FAILURES_MAX + 4, "one that ended is tried as often as ever"
    assert found() == []
    assert (row().failures, row().last_error) == (0, None)


def test_a_job_that_ends_now_and_then_is_always_tried() -> None:
    job = Job()
    for number in range(12):
        job.ends_by = Killed() if number % 3 else None
        run(job)
    assert job.runs == 12
    assert found() == []


def test_everything_but_a_heartbeat_that_beat_starts_is_counted(live: Database) -> None:
    celery = create_worker(live.settings)
    celery.loader.import_default_modules()
    names = {entry["task"] for entry in SCHEDULE.values()} - {"heartbeats.beat"}
    for name in names:
        celery.tasks[name]()

    with db.system_transaction() as session:
        counted = dict(periodic_jobs.failures(session))
    assert counted == dict.fromkeys(names, 0)
