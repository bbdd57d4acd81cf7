"""The imprest identity holds through a fund's life, and breaks where the books are wrong."""

from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.imprest import VarianceKind
from pettycash.models.ledger import AccountKind
from pettycash.models.payments import PaymentStatus
from pettycash.models.requisitions import RequisitionKind
from pettycash.services.imprest import float_identity
from pettycash.services.ledger import posting, posting_rules
from tests import books

KES = Decimal
ZERO = Decimal(0)


def identity(session: Session) -> float_identity.Identity:
    return float_identity.identity(session, books.fund(session).id)


def terms(found: float_identity.Identity) -> tuple[Decimal, ...]:
    """Stores, in transit, advances, vouchers, float not put in."""
    return (
        found.stores,
        found.in_transit,
        found.advances_outstanding,
        found.vouchers,
        found.not_put_in,
    )


def test_a_fund_opened_with_its_float_is_all_in_its_stores(session: Session) -> None:
    found = identity(session)

    assert terms(found) == (KES("50000.00"), ZERO, ZERO, ZERO, ZERO)
    assert (found.difference, found.requested) == (ZERO, ZERO)


def test_an_expense_is_a_voucher_to_be_replenished(session: Session) -> None:
    books.pay(session, "1500.00")

    found = identity(session)

    assert terms(found) == (KES("48500.00"), ZERO, ZERO, KES("1500.00"), ZERO)
    assert (found.difference, found.requested, found.vouched) == (
        ZERO,
        KES("1500.00"),
        KES("1500.00"),
    )


@pytest.mark.parametrize("kind", [RequisitionKind.ADVANCE, RequisitionKind.PER_DIEM])
def test_an_advance_is_outstanding_and_not_asked_for(
    session: Session, kind: RequisitionKind
) -> None:
    books.pay(session, "1000.00")
    books.pay(session, "700.00", kind=kind)

    found = identity(session)

    assert terms(found) == (KES("48300.00"), ZERO, KES("700.00"), KES("1000.00"), ZERO)
    assert (found.difference, found.requested) == (ZERO, KES("1000.00"))


def test_money_on_its_way_counts_as_vouchers(session: Session) -> None:
    payment = books.payment(session, books.requisition(session))
    payment.move_to(PaymentStatus.EXECUTING, at=session.info["now"])
    posting.hold(
        session,
        account_id=books.store(session).account_id,
        source="attempt:x",
        currency="KES",
        amount=payment.amount,
    )

    found = identity(session)

    assert found.difference == ZERO
    assert (found.held, found.under_way) == (KES("1500.00"), KES("1500.00"))
    assert (found.available, found.requested, found.vouched) == (
        KES("48500.00"),
        KES("1500.00"),
        KES("1500.00"),
    )


def test_a_duplicate_payment_is_gone_from_the_stores(session: Session) -> None:
    payment = books.pay(session, "1500.00", failures=1)
    again = books.pays_after_all(session, payment, "1500.00")
    posting.post(
        session,
        [
            posting_rules.duplicate_payment(
                session,
                payment=payment,
                amount=KES("1500.00"),
                occurred_at=session.info["now"],
                source=f"attempt:{again.id}:second",
            )
        ],
    )

    found = identity(session)

    assert found.difference == ZERO
    assert found.vouchers == KES("3000.00")


def test_a_payment_that_came_back_is_no_voucher(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    posting.post(
        session,
        [
            posting_rules.returned(
                session,
                payment=payment,
                amount=KES("1500.00"),
                occurred_at=session.info["now"],
                source=f"payment:{payment.id}:returned",
            )
        ],
    )
    payment.move_to(PaymentStatus.REVERSED, at=session.info["now"])

    found = identity(session)

    assert terms(found) == (KES("50000.00"), ZERO, ZERO, ZERO, ZERO)


def test_a_fee_of_mpesa_does_not_touch_the_fund(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    posting.post(
        session,
        [
            posting_rules.fee(
                session,
                payment=payment,
                fee=KES("9.00"),
                occurred_at=session.info["now"],
                source="fee:1",
            )
        ],
    )
    session.execute(
        text("UPDATE payment_attempts SET fee = 9 WHERE payment_id = :id"), {"id": payment.id}
    )

    found = identity(session)

    assert (found.difference, found.vouchers) == (ZERO, KES("1500.00"))


def test_a_raised_float_is_money_not_put_in(session: Session) -> None:
    books.pay(session, "1500.00")
    fund = books.fund(session)
    fund.target_balance = fund.maximum_balance = KES("60000.00")

    found = identity(session)

    assert terms(found) == (KES("48500.00"), ZERO, ZERO, KES("1500.00"), KES("10000.00"))
    assert (found.difference, found.requested, found.vouched) == (
        ZERO,
        KES("11500.00"),
        KES("1500.00"),
    )


@pytest.mark.parametrize("side", ["debit", "credit"])
def test_money_that_no_payment_explains_breaks_the_identity(session: Session, side: str) -> None:
    """It is a real check: the other terms do not come from the ledger."""
    store = books.store(session).account_id
    other = books.account(session, AccountKind.SUSPENSE).id
    first, second = (store, other) if side == "debit" else (other, store)
    posting.post(
        session,
        [
            posting.Entry(
                source="unexplained",
                rule="test",
                description="unexplained",
                occurred_at=session.info["now"],
                currency="KES",
                postings=[
                    posting.debit(first, KES("10.00")),
                    posting.credit(second, KES("10.00")),
                ],
            )
        ],
    )

    assert identity(session).difference == KES("-10.00" if side == "debit" else "10.00")


def test_a_payment_that_was_not_posted_breaks_the_identity(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    payment.paid_amount = KES("1400.00")

    assert identity(session).difference != ZERO


def test_the_terms_are_printed_in_the_funds_currency(session: Session) -> None:
    shown = float_identity.identity(session, books.fund(session, "HQ-UGX").id).as_json()

    assert shown["currency"] == "UGX"
    assert shown["float"] == shown["stores"] == "2000000"
    assert shown["difference"] == "0"


def test_every_kind_of_variance_has_its_rule() -> None:
    assert {f"variance_{kind.value}" for kind in VarianceKind} <= set(posting_rules.RULES)
