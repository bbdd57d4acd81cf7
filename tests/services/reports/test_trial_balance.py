"""The trial balance is added up from postings, as of a day, and its sides are equal."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.services import reports
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import TRIAL_BALANCE
from tests import books
from tests.factories.people import acting

KES = Decimal


def read(
    session: Session, *, as_of: date | None = None, currency: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Currency → rows; in each the sides are equal."""
    found = {}
    values = {"as_of": as_of, "currency": currency}
    uow = Uow.of(session, acting(session, "cfo"))
    for part in reports.parts(uow, TRIAL_BALANCE, values):
        found[part.currency] = [dict(row) for row in part]
        assert part.foots
        assert part.totals["debit"] == part.totals["credit"] > 0
    return found


def of(session: Session, as_of: date | None = None) -> dict[str, Decimal]:
    """Code of account → debit balance (credit below nought)."""
    found = read(session, as_of=as_of, currency="KES")
    return {each["code"]: each["debit"] - each["credit"] for each in found["KES"]}


def test_it_is_what_the_accounts_carry(session: Session) -> None:
    books.pay(session, "1500.00")
    books.pay(session, "250.00", store_code="WESTLANDS-DRAWER")

    carried = session.execute(
        select(LedgerAccount.code, LedgerAccount.balance).where(
            LedgerAccount.currency == "KES", LedgerAccount.sequence > 0
        )
    )

    assert of(session) == {row.code: row.balance for row in carried}
    assert of(session)["5000.travel"] == KES("1750.00")


def test_each_account_stands_on_one_side(session: Session) -> None:
    books.pay(session, "1500.00")

    for rows in read(session).values():
        for each in rows:
            assert min(each["debit"], each["credit"]) == 0


def test_currencies_are_not_added_up(session: Session) -> None:
    found = read(session)

    assert set(found) == {"KES", "UGX"}
    assert sum(each["debit"] for each in found["UGX"]) == KES("2000000.00")


def test_it_looks_back_to_a_day(session: Session) -> None:
    before = of(session)
    books.pay(session, "40.00", occurred_at=datetime(2026, 1, 31, 12, tzinfo=UTC))
    books.pay(session, "2.00", occurred_at=datetime(2026, 2, 1, 12, tzinfo=UTC))

    assert of(session, as_of=date(2026, 1, 31))["5000.travel"] == KES("40.00")
    assert of(session, as_of=date(2026, 2, 1))["5000.travel"] == KES("42.00")
    assert read(session, as_of=date(2025, 12, 31)) == {}
    assert "5000.travel" not in before


def test_the_charges_account_may_owe(session: Session) -> None:
    charges = books.account(
        session,
        AccountKind.PROVIDER_CHARGES,
        provider_account_id=books.store(session).provider_account_id,
    )

    assert charges.code not in of(session)
