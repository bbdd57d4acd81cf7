"""Periods close in order, by two people; decisions are refused, facts roll forward."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.ledger import AccountKind, JournalEntry, LedgerPeriod, PeriodState
from pettycash.models.operations import Case, CaseKind
from pettycash.runtime import clock, db
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import periods, posting
from tests import books
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

JAN, FEB, MAR = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


def post(session: Session, source: str, day: datetime, *, decision: bool = False) -> date:
    """An entry of a day; the date that it counts on."""
    amount = Decimal("5.00")
    [entry_id] = posting.post(
        session,
        [
            posting.Entry(
                source=source,
                rule="test",
                description=source,
                occurred_at=day,
                currency="KES",
                decision=decision,
                postings=[
                    posting.debit(books.account(session, AccountKind.SUSPENSE).id, amount),
                    posting.credit(books.account(session, AccountKind.EQUITY).id, amount),
                ],
            )
        ],
    )
    return session.execute(
        select(JournalEntry.accounting_date).where(JournalEntry.id == entry_id)
    ).scalar_one()


def at(month: date, day: int = 15, hour: int = 9) -> datetime:
    return datetime(month.year, month.month, day, hour, tzinfo=UTC)


def soft(session: Session, month: date, name: str = "group_finance_manager") -> LedgerPeriod:
    return periods.soft_close(Uow.of(session, acting(session, name)), month=month)


def hard(session: Session, month: date, name: str = "cfo") -> LedgerPeriod:
    return periods.hard_close(Uow.of(session, acting(session, name)), month=month)


def late_cases(session: Session) -> list[Case]:
    return list(session.execute(select(Case).where(Case.kind == CaseKind.LATE_FACT)).scalars())


def test_a_soft_close_stops_people_but_not_facts(session: Session) -> None:
    post(session, "jan", at(JAN))
    soft(session, JAN)

    with pytest.raises(posting.PeriodClosed), session.begin_nested():
        post(session, "wish", at(JAN), decision=True)
    assert post(session, "fact", at(JAN)) == date(2026, 1, 15)
    assert late_cases(session) == []


def test_a_hard_close_rolls_facts_forward_and_says_so(session: Session) -> None:
    post(session, "jan", at(JAN))
    soft(session, JAN)
    hard(session, JAN)

    with pytest.raises(posting.PeriodClosed), session.begin_nested():
        post(session, "wish", at(JAN), decision=True)
    assert post(session, "fact", at(JAN, 31)) == FEB
    [case] = late_cases(session)
    assert case.evidence["accounting_date"] == "2026-02-01"


def test_facts_roll_over_closed_months_to_the_first_open_one(session: Session) -> None:
    post(session, "jan", at(JAN))
    for month in (JAN, FEB):
        soft(session, month)
    hard(session, JAN)

    assert post(session, "fact", at(JAN)) == MAR


def test_the_last_hour_of_a_month_is_company_time(session: Session) -> None:
    """22:30 UTC on 31 January is February in Nairobi: nothing rolls."""
    post(session, "jan", at(JAN))
    soft(session, JAN)
    hard(session, JAN)

    assert post(session, "fact", datetime(2026, 1, 31, 22, 30, tzinfo=UTC)) == FEB
    assert late_cases(session) == []


def test_a_month_closes_only_when_it_is_over(session: Session) -> None:
    today = clock.business_date(session.info["now"], company_settings.current(session).timezone)

    with pytest.raises(periods.PeriodNotOver):
        soft(session, today.replace(day=1))


def test_months_close_in_order(session: Session) -> None:
    post(session, "jan", at(JAN))
    post(session, "mar", at(MAR))

    with pytest.raises(periods.NotInOrder):
        soft(session, FEB)
    soft(session, JAN)
    soft(session, FEB)
    with pytest.raises(periods.NotInOrder):
        hard(session, FEB)
    hard(session, JAN)
    hard(session, FEB)


def test_an_open_month_does_not_close_hard(session: Session) -> None:
    post(session, "jan", at(JAN))

    with pytest.raises(periods.IllegalPeriodState):
        hard(session, JAN)


def test_a_month_does_not_close_twice(session: Session) -> None:
    post(session, "jan", at(JAN))
    soft(session, JAN)

    with pytest.raises(periods.IllegalPeriodState):
        soft(session, JAN)


def test_the_newest_soft_close_reopens(session: Session) -> None:
    post(session, "jan", at(JAN))
    soft(session, JAN)
    soft(session, FEB)
    uow = Uow.of(session, acting(session, "cfo"))

    with pytest.raises(periods.NotInOrder):
        periods.reopen(uow, month=JAN)
    periods.reopen(uow, month=FEB)
    found = periods.reopen(uow, month=JAN)

    assert found.state is PeriodState.OPEN
    assert post(session, "wish", at(JAN), decision=True) == date(2026, 1, 15)
    soft(session, JAN)


def test_a_hard_close_is_for_good(session: Session) -> None:
    post(session, "jan", at(JAN))
    soft(session, JAN)
    hard(session, JAN)

    with pytest.raises(periods.IllegalPeriodState):
        periods.reopen(Uow.of(session, acting(session, "cfo")), month=JAN)


def test_the_first_month_is_that_of_the_first_entry(session: Session) -> None:
    post(session, "jan", at(JAN))

    assert periods.first_month(session, session.info["now"]) == JAN


def test_closing_waits_for_postings_under_way(live: Database) -> None:
    """An entry that was dated in an open month is in it before the month closes."""
    posted, order = threading.Event(), []
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            post(session, "jan", at(JAN))

        def write() -> None:
            with db.transaction() as session:
                post(session, "under way", at(JAN))
                posted.set()
                session.execute(text("SELECT pg_sleep(0.5)"))
                order.append("posted")

        def close() -> None:
            assert posted.wait(10)
            with db.transaction() as session:
                soft(session, JAN)
                order.append("closed")

        assert together([write, close]) == [None, None]
    assert order == ["posted", "closed"]


def test_a_posting_that_waited_for_the_closing_sees_it(live: Database) -> None:
    closing = threading.Event()
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            post(session, "jan", at(JAN))

        def close() -> None:
            with db.transaction() as session:
                soft(session, JAN)
                closing.set()
                session.execute(text("SELECT pg_sleep(0.5)"))

        def write() -> None:
            assert closing.wait(10)
            with db.transaction() as session:
                post(session, "too late", at(JAN), decision=True)

        results = together([close, write])

    assert results[0] is None
    assert isinstance(results[1], posting.PeriodClosed)


def test_two_close_at_once_and_one_is_told(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            post(session, "jan", at(JAN))

        def close() -> None:
            with db.transaction() as session:
                soft(session, JAN)

        results = together([close, close])

    assert {type(each) for each in results} == {type(None), periods.IllegalPeriodState}


def test_a_month_has_a_month_after_it() -> None:
    assert periods.month_after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert periods.month_after(date(2028, 2, 1)) - date(2028, 2, 1) == timedelta(days=29)
