"""The nightly run: begun where a company's night has come, once, and made up for where missed."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash import clock, db
from pettycash.models.attempts import AttemptState
from pettycash.models.payments import PaymentStatus
from pettycash.models.reconciliation import ReconciliationRun, RunStatus
from pettycash.services import company_settings
from pettycash.services import reconciliation as service
from pettycash.tasks import reconciliation
from pettycash.tasks.schedule import SCHEDULE
from pettycash.worker_app import create_worker
from tests import books
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database

NAIROBI, AUCKLAND, LOS_ANGELES = "Africa/Nairobi", "Pacific/Auckland", "America/Los_Angeles"
DAY = timedelta(days=1)

Nights = list[tuple[date, int]]


@pytest.fixture
def companies(live: Database) -> dict[str, UUID]:
    rails.serve(rails.FakeGateway())
    return {code: company_id(code) for code in ("DEMO", "OTHER")}


@pytest.fixture
def demo(companies: dict[str, UUID]) -> Iterator[UUID]:
    with db.scope(company_id=companies["DEMO"], source="test"):
        yield companies["DEMO"]


def now() -> datetime:
    with db.system_transaction() as session:
        found: datetime = session.info["now"]
    return found


def tomorrow(timezone: str = NAIROBI) -> date:
    return clock.business_date(now(), timezone) + DAY


def travel(day: date, hour: int, minute: int = 0, timezone: str = NAIROBI) -> None:
    """Let it be this time of that day in a time zone; it may lie behind."""
    there = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(timezone))
    working.wait((there - now()).total_seconds())


def nights(company: UUID) -> Nights:
    """Day and sequence of every run of a company."""
    with db.scope(company_id=company, source="test"), db.transaction() as session:
        rows = session.execute(
            select(ReconciliationRun.business_date, ReconciliationRun.sequence).order_by(
                ReconciliationRun.business_date, ReconciliationRun.sequence
            )
        )
        return [(row.business_date, row.sequence) for row in rows]


def close_all(company: UUID) -> None:
    """The worker's part."""
    with db.scope(company_id=company, source="test"):
        with db.transaction() as session:
            keys = list(
                session.execute(
                    select(ReconciliationRun.id).where(ReconciliationRun.status != RunStatus.CLOSED)
                ).scalars()
            )
        for key in keys:
            run_task(key)


def run_task(key: UUID) -> None:
    owed = working.obligation_id(service.RUN_TOPIC, key)
    reconciliation.run(obligation_id=str(owed))


def set_timezone(company: UUID, timezone: str) -> None:
    with db.scope(company_id=company, source="test"), db.transaction() as session:
        company_settings.update(
            session,
            values={"timezone": timezone},
            expected_version=company_settings.current(session).version,
            changed_by=None,
        )


def test_the_night_begins_at_one_in_company_time(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 0, 59)

    reconciliation.run_nightly()
    assert nights(demo) == []

    travel(day, 1, 0)
    reconciliation.run_nightly()
    assert nights(demo) == [(day - DAY, 1)]


def test_each_company_has_its_own_night(companies: dict[str, UUID]) -> None:
    set_timezone(companies["DEMO"], AUCKLAND)
    set_timezone(companies["OTHER"], LOS_ANGELES)
    day = tomorrow(AUCKLAND)
    travel(day, 1, 5, AUCKLAND)

    reconciliation.run_nightly()

    # One in the night there is the middle of the day before here.
    here = clock.business_date(now(), LOS_ANGELES)
    assert here < day
    assert nights(companies["DEMO"]) == [(day - DAY, 1)]
    assert nights(companies["OTHER"]) == [(here - DAY, 1)]


def test_called_all_day_long_it_runs_once(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 1, 0)

    for _ in range(3):
        reconciliation.run_nightly()
        close_all(demo)
        working.wait(4 * 3600)

    assert nights(demo) == [(day - DAY, 1)]


def test_two_beats_at_once_make_one_run(companies: dict[str, UUID]) -> None:
    travel(tomorrow(), 1, 0)
    day = tomorrow() - 2 * DAY

    assert together([reconciliation.run_nightly] * 8) == [None] * 8

    assert nights(companies["DEMO"]) == [(day, 1)]
    assert nights(companies["OTHER"]) == [(day, 1)]


def test_a_beat_that_comes_when_the_run_has_closed_makes_no_second(demo: UUID) -> None:
    """Each begins and closes in its own unit of work, as fast as it can."""
    travel(tomorrow(), 1, 0)

    def night(session: Session) -> None:
        for run in service.start_due(session, now=session.info["now"]):
            service.advance(session, run_id=run.id, now=session.info["now"])

    assert together([lambda: db.in_transaction(night)] * 8) == [None] * 8

    assert len(nights(demo)) == 1


def test_a_late_call_makes_up_for_the_night(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 23, 30)

    reconciliation.run_nightly()

    assert nights(demo) == [(day - DAY, 1)]


def test_nights_that_nobody_was_there_for_are_made_up(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 1, 0)
    reconciliation.run_nightly()
    close_all(demo)

    travel(day + 3 * DAY, 1, 0)
    reconciliation.run_nightly()

    assert nights(demo) == [(day + offset * DAY, 1) for offset in (-1, 0, 1, 2)]


def test_a_run_while_the_day_still_lasted_is_not_its_night(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 12, 0)
    with db.transaction() as session:
        service.start(session, business_date=day, now=session.info["now"])
    close_all(demo)
    with db.transaction() as session:
        books.pay(session, "100.00")  # after lunch
    travel(day + DAY, 1, 0)

    reconciliation.run_nightly()
    close_all(demo)

    assert nights(demo)[-1] == (day, 2)
    with db.transaction() as session:
        newest = service.newest(session, day)
        assert newest is not None
        assert newest.totals == {"KES": "100.00"}


def test_one_company_in_trouble_does_not_keep_the_others_waiting(
    companies: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    travel(tomorrow(), 1, 0)
    real, calls = service.start_due, []

    def first_fails(session: Session, **facts: datetime) -> object:
        calls.append(session.info["scope"].company_id)
        if len(calls) == 1:
            session.execute(text("SELECT 1 / 0"))
        return real(session, **facts)

    monkeypatch.setattr(service, "start_due", first_fails)

    reconciliation.run_nightly()

    assert set(calls) == set(companies.values())
    assert [len(nights(each)) for each in calls] == [0, 1]


def test_the_task_asks_waits_and_closes(demo: UUID) -> None:
    gateway = rails.FakeGateway()
    gateway.submits = [rails.LOST]
    rails.serve(gateway)
    with db.transaction() as session:
        payment = making.executing(session)
    working.work("payments.submit")
    working.wait(3600)
    working.work("payments.resolve")
    with db.transaction() as session:
        assert making.attempt_of(session, payment).queries > 0
        run = service.start(
            session,
            business_date=clock.business_date(session.info["now"], NAIROBI),
            now=session.info["now"],
        )
    asked = len(gateway.asked)

    run_task(run.id)

    with db.transaction() as session:
        waiting = service.find_run(session, run.id)
        owed = making.obligation(session, service.RUN_TOPIC, run.id)
        assert waiting.status is RunStatus.WAITING
        assert owed is not None
        assert owed.done_at is None
        assert owed.due_at > session.info["now"], "it looks again in a moment"
    gateway.queries = [rails.proof]
    assert working.work("payments.resolve", limit=20)
    assert len(gateway.asked) > asked, "the rail is asked at once"
    with db.transaction() as session:
        assert making.attempt_of(session, payment).state is AttemptState.SETTLED

    run_task(run.id)
    run_task(run.id)

    with db.transaction() as session:
        closed = service.find_run(session, run.id)
        assert closed.status is RunStatus.CLOSED
        assert closed.counts["success"] == closed.counts["matched"] == 1
        assert closed.mismatches == []
        assert session.get_one(type(payment), payment.id).status is PaymentStatus.SUCCESS


def test_beat_calls_it_often_enough_and_a_worker_knows_it(live: Database) -> None:
    celery = create_worker(live.settings)
    celery.loader.import_default_modules()

    (entry,) = [each for each in SCHEDULE.values() if each["task"] == "reconciliation.run_nightly"]
    assert entry["schedule"] <= timedelta(minutes=15)
    assert {"reconciliation.run_nightly", service.RUN_TOPIC} <= set(celery.tasks)
