"""The fund statement: money out is `debit`, money in `credit`; balances are the fund's."""

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from pettycash.models.imprest import VarianceKind
from pettycash.models.ledger import Side
from pettycash.models.payments import EvidenceSource, PaymentReconciliation
from pettycash.services.foundation.listings import page
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import variances
from pettycash.services.ledger import fund_statements
from pettycash.services.ledger.fund_statements import LEDGER, Direction, LineType
from tests import books
from tests.factories.people import acting, user_id

KES = Decimal


def statement(session: Session, name: str = "auditor", **filters: Any) -> list[dict[str, Any]]:
    """All lines of Westlands, the newest first."""
    filters["fund_id"] = [books.fund(session).id]
    return list(page(Uow.of(session, acting(session, name)), LEDGER, filters).items)


def test_a_payment_is_a_debit_that_credits_the_store(session: Session) -> None:
    payment = books.pay(session, "1500.00")

    line = statement(session)[0]

    assert (line["type"], line["direction"]) == (LineType.DEBIT, Direction.OUT)
    assert line["side"] is Side.CREDIT
    assert (line["amount"], line["currency"]) == (KES("1500.00"), "KES")
    assert line["payment_id"] == payment.id
    assert line["execution_id"] is not None
    assert (line["balance"], line["store_balance"]) == (KES("48500.00"), KES("38500.00"))
    assert line["reconciled"] is False


def test_the_opening_balances_are_adjustments(session: Session) -> None:
    lines = statement(session)

    assert {line["type"] for line in lines} == {LineType.ADJUSTMENT}
    assert {line["direction"] for line in lines} == {Direction.IN}
    assert lines[0]["balance"] == KES("50000.00")


def test_the_running_balance_is_over_all_stores(session: Session) -> None:
    amounts = ["100.00", "20.00", "3.00", "400.00", "50.00"]
    stores = itertools.cycle(["WESTLANDS-MPESA", "WESTLANDS-DRAWER"])
    for amount, store in zip(amounts, stores, strict=False):
        books.pay(session, amount, store_code=store)

    lines = statement(session)[::-1]

    running = KES(0)
    for line in lines:
        running += line["amount"] if line["direction"] == "in" else -line["amount"]
        assert line["balance"] == running
    assert running == KES("50000.00") - sum(map(KES, amounts))


def test_balances_are_right_where_lines_are_filtered(session: Session) -> None:
    books.pay(session, "100.00")
    books.pay(session, "20.00", store_code="WESTLANDS-DRAWER")
    books.pay(session, "3.00")

    out = statement(session, direction=Direction.OUT)

    assert [line["balance"] for line in out] == [
        KES("49877.00"),
        KES("49880.00"),
        KES("49900.00"),
    ]


def test_a_variance_is_an_adjustment_with_a_link(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    found = variances.record(
        Uow.of(session, acting(session, "treasury")),
        payment_id=payment.id,
        kind=VarianceKind.OVERPAID,
        adjusted_amount=KES("1510.00"),
        reason="The statement says so",
    )
    variances.approve(Uow.of(session, acting(session, "cfo")), variance_id=found.id)

    line = statement(session)[0]

    assert (line["type"], line["direction"]) == (LineType.ADJUSTMENT, Direction.OUT)
    assert line["variance_id"] == found.id
    assert line["created_by"] == user_id(session, "cfo")
    assert statement(session, type=LineType.ADJUSTMENT)[0]["id"] == line["id"]


def test_reconciliation_is_shown_and_filtered(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    books.pay(session, "2.00")
    session.add(
        PaymentReconciliation(
            company_id=payment.company_id,
            payment_id=payment.id,
            source=EvidenceSource.MANUAL,
            reconciled_by=user_id(session, "group_finance_manager"),
            evidence={"statement": "page 3"},
        )
    )
    session.flush()

    [line] = statement(session, reconciled=True)

    assert line["payment_id"] == payment.id
    assert line["reconciled"] is True
    assert line["reconciled_by"] == user_id(session, "group_finance_manager")
    assert line["reconciled_at"] is not None
    assert payment.id not in {each["payment_id"] for each in statement(session, reconciled=False)}


def test_days_are_inclusive(session: Session) -> None:
    for day in (9, 10, 11):
        books.pay(session, f"{day}.00", occurred_at=datetime(2026, 3, day, 12, tzinfo=UTC))

    found = statement(session, **{"from": date(2026, 3, 10), "to": date(2026, 3, 10)})

    assert [line["amount"] for line in found] == [KES("10.00")]


def test_a_custodian_sees_the_own_fund_only(session: Session) -> None:
    books.pay(session, "1500.00")

    assert statement(session, "custodian_mombasa") == []
    assert len(statement(session, "custodian")) == 3


def test_a_line_beyond_ones_scope_does_not_exist(session: Session) -> None:
    books.pay(session, "1500.00")
    line = statement(session)[0]

    shown = fund_statements.one(
        Uow.of(session, acting(session, "custodian")), posting_id=line["id"]
    )
    assert shown == line
    with pytest.raises(fund_statements.LineNotFound):
        fund_statements.one(
            Uow.of(session, acting(session, "custodian_mombasa")), posting_id=line["id"]
        )
    with pytest.raises(fund_statements.LineNotFound):
        fund_statements.one(Uow.of(session, acting(session, "auditor")), posting_id=uuid4())


def test_the_other_side_of_an_entry_is_no_line(session: Session) -> None:
    """Only postings of stores are lines; the expense is in the journal."""
    books.pay(session, "1500.00")

    assert len(statement(session)) == 3
