"""Days of 23 and 25 hours, 29 February, the last day of a month and of a year, in company time."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import VarianceAdjustment
from pettycash.models.ledger import JournalEntry
from pettycash.models.reconciliation import RunStatus
from pettycash.models.releases import ChallengeState
from pettycash.runtime import clock, settings
from pettycash.services import payments, reconciliation
from pettycash.services.foundation import company_settings, numbers
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import periods, posting
from tests import books
from tests.factories import payments as making
from tests.factories.codes import newest
from tests.factories.people import acting
from tests.posting import transfer
from tests.services.reconciliation.test_reconciliation import advance, start

BERLIN = "Europe/Berlin"
DAY, HOUR, TICK = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
LEAP_DAY, NEW_YEARS_EVE = date(2024, 2, 29), date(2025, 12, 31)
ZONES = (BERLIN, "Africa/Nairobi", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe")
"""Cairo's clocks change at midnight, Havana's midnight comes twice, Lord Howe's days differ by half
an hour."""


def utc(*numbers_: int) -> datetime:
    return datetime(*numbers_, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.fixture
def berlin(session: Session) -> Session:
    """The demo company, moved to a zone with summer time."""
    company_settings.update(
        session,
        values={"timezone": BERLIN},
        expected_version=company_settings.current(session).version,
        changed_by=None,
    )
    return session


@pytest.mark.parametrize("zone", ZONES)
def test_dst_and_leap_day_leave_no_instant_without_its_day_and_none_with_two(zone: str) -> None:
    day, end = date(2024, 1, 1), None
    while day < date(2029, 1, 1):
        since, until = clock.day_bounds(day, zone)
        assert end in (None, since), day
        assert [clock.business_date(each, zone) for each in (since, until - TICK)] == [day, day]
        assert abs(until - since - DAY) <= HOUR
        end, day = until, day + DAY


@pytest.mark.parametrize(
    ("day", "hours"),
    [(SPRING, 23), (AUTUMN, 25), (LEAP_DAY, 24), (date(2024, 3, 1), 24), (NEW_YEARS_EVE, 24)],
)
def test_dst_and_leap_day_figures_of_a_night_are_those_of_its_day(
    berlin: Session, day: date, hours: int
) -> None:
    since, until = clock.day_bounds(day, BERLIN)
    assert until - since == hours * HOUR
    for amount, instant in (
        ("100.00", since - TICK),
        ("20.00", since),
        ("3.00", until - TICK),
        ("1000.00", until),
    ):
        books.pay(berlin, amount, occurred_at=instant)

    runs = [advance(berlin, start(berlin, day + offset * DAY)) for offset in (-1, 0, 1)]

    assert {run.status for run in runs} == {RunStatus.CLOSED}
    totals = [run.totals for run in runs]
    assert totals == [{"KES": "100.00"}, {"KES": "23.00"}, {"KES": "1000.00"}]


@pytest.mark.parametrize("last_night", [date(2027, 3, 29), date(2027, 11, 2), date(2028, 3, 1)])
def test_dst_and_leap_day_missed_days_are_caught_up_one_by_one(
    berlin: Session, last_night: date
) -> None:
    begins = clock.at_local(last_night, 1, BERLIN)
    assert reconciliation.start_due(berlin, now=begins - TICK)[-1:] == []

    runs = reconciliation.start_due(berlin, now=begins)

    days = [run.business_date for run in runs]
    assert days == [last_night - ahead * DAY for ahead in range(32, 0, -1)]
    assert reconciliation.start_due(berlin, now=begins + HOUR) == []


def test_dst_night_of_a_long_day_is_not_over_after_24_hours(berlin: Session) -> None:
    """A run that asks in the 25th hour of the day has not seen all of it."""
    day = date(2027, 10, 31)
    since, until = utc(2027, 10, 30, 22), utc(2027, 10, 31, 23)
    for instant in (since + 24 * HOUR, until):
        assert start(berlin, day, now=instant).business_date == day
        advance_at(berlin, day, instant)
        runs = reconciliation.start_due(berlin, now=until + 2 * HOUR)
        assert (day in {run.business_date for run in runs}) is (instant < until)
        for run in runs:
            advance_at(berlin, run.business_date, instant)


def advance_at(session: Session, day: date, now: datetime) -> None:
    run = reconciliation.newest(session, day)
    assert run is not None
    advance(session, run, later=now - session.info["now"])


@pytest.mark.parametrize(
    ("occurred_at", "expected"),
    [
        (utc(2026, 3, 28, 22, 59, 59), date(2026, 3, 28)),
        (utc(2026, 3, 28, 23), SPRING),
        (utc(2026, 3, 29, 21, 59, 59), SPRING),
        (utc(2026, 3, 29, 22), date(2026, 3, 30)),
        (utc(2026, 10, 24, 22), AUTUMN),
        (utc(2026, 10, 25, 22, 59, 59), AUTUMN),
        (utc(2026, 10, 25, 23), date(2026, 10, 26)),
        (utc(2024, 2, 28, 23), LEAP_DAY),
        (utc(2024, 2, 29, 22, 59, 59), LEAP_DAY),
        (utc(2024, 2, 29, 23), date(2024, 3, 1)),
        (utc(2025, 2, 28, 23), date(2025, 3, 1)),
        (utc(2026, 4, 30, 22), date(2026, 5, 1)),
        (utc(2025, 12, 31, 22, 59, 59), NEW_YEARS_EVE),
        (utc(2025, 12, 31, 23), date(2026, 1, 1)),
    ],
)
def test_dst_and_leap_day_entries_are_dated_in_company_time(
    berlin: Session, occurred_at: datetime, expected: date
) -> None:
    [entry_id] = posting.post(berlin, [transfer(berlin, "dated", "1.00", occurred_at=occurred_at)])

    found = berlin.execute(
        select(JournalEntry.accounting_date).where(JournalEntry.id == entry_id)
    ).scalar_one()
    assert found == expected
    assert clock.business_date(occurred_at, BERLIN) == expected


@pytest.mark.parametrize(
    ("last", "first"),
    [
        (utc(2026, 12, 31, 22, 59, 59), utc(2026, 12, 31, 23)),
        (utc(2027, 12, 31, 22, 59, 59), utc(2027, 12, 31, 23)),
    ],
)
def test_month_end_of_december_begins_the_numbers_of_a_year_in_company_time(
    berlin: Session, last: datetime, first: datetime
) -> None:
    year = last.year
    old = [numbers.next_number(berlin, VarianceAdjustment, now=last) for _ in range(2)]
    new = [numbers.next_number(berlin, VarianceAdjustment, now=first) for _ in range(2)]

    assert old == [f"VAR-{year}-000001", f"VAR-{year}-000002"]
    assert new == [f"VAR-{year + 1}-000001", f"VAR-{year + 1}-000002"]


@pytest.mark.parametrize(
    ("month", "over"),
    [
        (date(2024, 2, 1), utc(2024, 2, 29, 23)),
        (date(2025, 12, 1), utc(2025, 12, 31, 23)),
        (date(2026, 3, 1), utc(2026, 3, 31, 22)),
    ],
)
def test_month_end_is_a_midnight_in_company_time(
    berlin: Session, month: date, over: datetime
) -> None:
    manager = acting(berlin, "group_finance_manager")
    posting.post(berlin, [transfer(berlin, "first", "1.00", occurred_at=over - DAY)])

    with pytest.raises(periods.PeriodNotOver):
        periods.soft_close(Uow(berlin, manager, over - TICK), month=month)

    assert periods.soft_close(Uow(berlin, manager, over), month=month).month == month


@pytest.mark.usefixtures("rail")
@pytest.mark.parametrize("change", [utc(2027, 3, 28, 1), utc(2027, 10, 31, 1)])
def test_dst_leaves_a_code_its_five_minutes(berlin: Session, change: datetime) -> None:
    """Asked for a minute before the clocks change."""
    lifetime = timedelta(seconds=settings.current().code_lifetime_seconds)
    payment = making.pending(berlin, "1500.00")
    asked = change - timedelta(minutes=1)
    actor = acting(berlin, making.EXECUTOR)
    berlin.info["now"], now = asked, berlin.info["now"]
    code = making.code_for(berlin, payment)
    berlin.info["now"] = now
    assert newest(berlin, payment).expires_at == asked + lifetime

    late = payments.verify_code(
        Uow(berlin, actor, asked + lifetime - TICK), payment_id=payment.id, code=code
    )

    assert late.refusal is None
    assert newest(berlin, payment).state is ChallengeState.VERIFIED
    assert Decimal(payment.amount) == Decimal("1500.00")
