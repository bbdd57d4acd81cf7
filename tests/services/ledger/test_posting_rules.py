"""One rule per event: each is posted as the table says, and the document shows the same table."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.imprest import (
    Replenishment,
    ReplenishmentStatus,
    VarianceAdjustment,
    VarianceKind,
    VarianceStatus,
)
from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting, Side
from pettycash.models.requisitions import RequisitionKind
from pettycash.runtime.rails import Method
from pettycash.services.ledger import posting, posting_rules
from tests import books
from tests.factories.people import user_id

KES = Decimal


def posted(session: Session, entry: posting.Entry) -> dict[AccountKind, Decimal]:
    """Post an entry; kind of account → what it gained (a debit) or gave (a credit)."""
    [entry_id] = posting.post(session, [entry])
    rows = session.execute(
        select(LedgerAccount.kind, Posting.side, Posting.amount, Posting.currency)
        .join(Posting, Posting.account_id == LedgerAccount.id)
        .where(Posting.entry_id == entry_id)
    ).all()
    rule = posting_rules.RULES[entry.rule]
    changes: dict[AccountKind, Decimal] = {}
    for row in rows:
        wanted = rule.debit if row.side is Side.DEBIT else rule.credit
        swapped = rule.credit if row.side is Side.DEBIT else rule.debit
        assert row.kind in wanted or "swapped" in rule.event or "as needed" in rule.event
        assert row.kind in (*wanted, *swapped)
        sign = 1 if row.side is Side.DEBIT else -1
        changes[row.kind] = changes.get(row.kind, KES(0)) + sign * row.amount
    return changes


def test_an_expense_is_split_over_its_lines_to_the_cent(session: Session) -> None:
    asked = books.requisition(
        session, lines=(("travel", "33.34"), ("meals", "33.33"), ("travel", "33.33"))
    )
    payment = books.payment(session, asked, amount="50.00")

    entry = posting_rules.settlement(
        session,
        payment=payment,
        requisition=asked,
        occurred_at=session.info["now"],
        amount=KES("50.00"),
        execution_id=None,
    )

    assert posted(session, entry) == {AccountKind.EXPENSE: KES("50.00"), AccountKind.STORE: -50}
    lines = {
        each.dimensions["category"]: each.amount
        for each in entry.postings
        if each.side is Side.DEBIT
    }
    assert set(lines) == {"travel", "meals"}
    assert sum(lines.values()) == KES("50.00")
    assert lines["meals"] in (KES("16.66"), KES("16.67"))


def test_a_settlement_says_where_and_for_whom(session: Session) -> None:
    asked = books.requisition(session, payee_user="staff_2")
    payment = books.payment(session, asked)
    entry = posting_rules.settlement(
        session,
        payment=payment,
        requisition=asked,
        occurred_at=session.info["now"],
        amount=asked.amount,
        execution_id=None,
    )

    [entry_id] = posting.post(session, [entry])

    rows = session.execute(select(Posting).where(Posting.entry_id == entry_id)).scalars().all()
    for row in rows:
        assert row.fund_id == books.fund(session).id
        assert (row.branch_id, row.department_id) == (asked.branch_id, asked.department_id)
        assert row.party_id == user_id(session, "staff_2")
    found = session.execute(select(JournalEntry).where(JournalEntry.id == entry_id)).scalar_one()
    assert (found.source, found.payment_id) == (f"payment:{payment.id}:settled", payment.id)


@pytest.mark.parametrize("kind", [RequisitionKind.ADVANCE, RequisitionKind.PER_DIEM])
@pytest.mark.parametrize(("payee", "accountable"), [(None, "staff"), ("staff_2", "staff_2")])
def test_an_advance_is_owed_by_who_got_it(
    session: Session, kind: RequisitionKind, payee: str | None, accountable: str
) -> None:
    asked = books.requisition(session, kind=kind, payee_user=payee)
    payment = books.payment(session, asked)
    entry = posting_rules.settlement(
        session,
        payment=payment,
        requisition=asked,
        occurred_at=session.info["now"],
        amount=asked.amount,
        execution_id=None,
    )

    assert posted(session, entry) == {AccountKind.ADVANCES: asked.amount, AccountKind.STORE: -1500}
    person = user_id(session, accountable)
    owed = books.account(session, AccountKind.ADVANCES, party_id=person)
    assert books.balance(session, owed.id)[0] == asked.amount
    # The fund dimension is what outstanding advances per fund are summed by.
    row = session.execute(select(Posting).where(Posting.account_id == owed.id)).scalar_one()
    assert row.fund_id == books.fund(session).id


def test_what_was_proven_is_posted_not_what_was_asked(session: Session) -> None:
    asked = books.requisition(session)
    entry = posting_rules.settlement(
        session,
        payment=books.payment(session, asked),
        requisition=asked,
        occurred_at=session.info["now"],
        amount=KES("1499.00"),
        execution_id=None,
    )

    assert posted(session, entry) == {AccountKind.EXPENSE: 1499, AccountKind.STORE: -1499}


def test_a_settlement_cant_be_posted_twice(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    asked = books.requisition(session)

    entry = posting_rules.settlement(
        session,
        payment=payment,
        requisition=asked,
        occurred_at=session.info["now"],
        amount=KES("1500.00"),
        execution_id=None,
    )
    with pytest.raises(posting.AlreadyPosted):
        posting.post(session, [entry])


@pytest.mark.parametrize(
    ("store", "method", "pays"),
    [
        ("WESTLANDS-MPESA", Method.MPESA, AccountKind.PROVIDER_CHARGES),
        ("WESTLANDS-MPESA", Method.BANK_TRANSFER, AccountKind.STORE),
        ("WESTLANDS-DRAWER", Method.CASH, AccountKind.STORE),
    ],
)
def test_a_fee_leaves_the_account_that_the_rail_takes_it_from(
    session: Session, store: str, method: Method, pays: AccountKind
) -> None:
    payment = books.payment(
        session, books.requisition(session, method=method), store_code=store, method=method
    )

    entry = posting_rules.fee(
        session,
        payment=payment,
        fee=KES("13.00"),
        occurred_at=session.info["now"],
        source="fee:1",
    )

    assert posted(session, entry) == {AccountKind.FEES: 13, pays: -13}


def test_a_duplicate_payment_is_owed_by_the_payee(session: Session) -> None:
    payment = books.pay(session)

    entry = posting_rules.duplicate_payment(
        session,
        payment=payment,
        amount=KES("1500.00"),
        occurred_at=session.info["now"],
        source="second:1",
    )

    assert posted(session, entry) == {AccountKind.RECOVERABLE: 1500, AccountKind.STORE: -1500}


def test_what_comes_back_undoes_the_settlement(session: Session) -> None:
    payment = books.pay(session, "1500.00")
    settled = session.execute(
        select(JournalEntry).where(JournalEntry.payment_id == payment.id)
    ).scalar_one()

    entry = posting_rules.returned(
        session,
        payment=payment,
        amount=KES("1500.00"),
        occurred_at=session.info["now"],
        source="return:1",
    )

    assert entry.reverses_entry_id == settled.id
    assert posted(session, entry) == {AccountKind.STORE: 1500, AccountKind.EXPENSE: -1500}


def test_a_part_that_comes_back_reverses_no_entry(session: Session) -> None:
    payment = books.pay(session, "1500.00")

    entry = posting_rules.returned(
        session,
        payment=payment,
        amount=KES("500.00"),
        occurred_at=session.info["now"],
        source="return:1",
    )

    assert entry.reverses_entry_id is None
    assert posted(session, entry) == {AccountKind.STORE: 500, AccountKind.EXPENSE: -500}


def test_nothing_comes_back_of_what_was_never_paid(session: Session) -> None:
    payment = books.payment(session, books.requisition(session))

    with pytest.raises(posting_rules.SettlementMissing):
        posting_rules.returned(
            session,
            payment=payment,
            amount=KES("500.00"),
            occurred_at=session.info["now"],
            source="return:1",
        )


def replenishment(session: Session) -> Replenishment:
    store = books.store(session)
    return Replenishment(
        id=new_id(),
        company_id=store.company_id,
        number="REP-T-1",
        fund_id=store.fund_id,
        store_id=store.id,
        currency="KES",
        status=ReplenishmentStatus.APPROVED,
    )


def test_a_top_up_goes_over_in_transit(session: Session) -> None:
    found = replenishment(session)
    by = user_id(session, "treasury")
    now = session.info["now"]

    sent = posting_rules.top_up_sent(
        session,
        replenishment=found,
        bank_account_id=None,
        amount=KES("100.00"),
        occurred_at=now,
        by=by,
    )
    received = posting_rules.top_up_received(
        session,
        replenishment=found,
        amount=KES("60.00"),
        total_received=KES("60.00"),
        occurred_at=now,
        by=by,
    )
    lost = posting_rules.transit_loss(
        session, replenishment=found, amount=KES("40.00"), occurred_at=now, by=by
    )

    assert posted(session, sent) == {AccountKind.IN_TRANSIT: 100, AccountKind.BANK: -100}
    assert posted(session, received) == {AccountKind.STORE: 60, AccountKind.IN_TRANSIT: -60}
    assert posted(session, lost) == {
        AccountKind.DIFFERENCES_PENDING: 40,
        AccountKind.IN_TRANSIT: -40,
    }
    transit = books.account(session, AccountKind.IN_TRANSIT, fund_id=found.fund_id)
    assert books.balance(session, transit.id)[0] == 0


def test_an_opening_balance_comes_out_of_equity(session: Session) -> None:
    store = books.store(session)
    store.code = "NEW-STORE"

    entry = posting_rules.opening(
        session, store=store, amount=KES("5.00"), occurred_at=session.info["now"], by=None
    )

    assert posted(session, entry) == {AccountKind.STORE: 5, AccountKind.EQUITY: -5}
    session.rollback()


VARIANCES: Sequence[tuple[VarianceKind, str, dict[AccountKind, int]]] = (
    (VarianceKind.FEE, "5050.00", {AccountKind.FEES: 50, AccountKind.PROVIDER_CHARGES: -50}),
    (VarianceKind.OVERPAID, "5050.00", {AccountKind.RECOVERABLE: 50, AccountKind.STORE: -50}),
    (VarianceKind.UNDERPAID, "4950.00", {AccountKind.STORE: 50, AccountKind.PAYABLE: -50}),
    (
        VarianceKind.COUNT,
        "5050.00",
        {AccountKind.DIFFERENCES_PENDING: 50, AccountKind.STORE: -50},
    ),
    (
        VarianceKind.COUNT,
        "4950.00",
        {AccountKind.STORE: 50, AccountKind.DIFFERENCES_PENDING: -50},
    ),
    (VarianceKind.OTHER, "5050.00", {AccountKind.SUSPENSE: 50, AccountKind.STORE: -50}),
    (VarianceKind.OTHER, "4950.00", {AccountKind.STORE: 50, AccountKind.SUSPENSE: -50}),
)


@pytest.mark.parametrize(("kind", "adjusted", "expected"), VARIANCES)
def test_a_variance_moves_what_really_moved(
    session: Session, kind: VarianceKind, adjusted: str, expected: dict[AccountKind, int]
) -> None:
    """D41: more money out is a credit of what it left; a fee is money out, never a saving."""
    payment = books.payment(session, books.requisition(session, lines=(("travel", "5000.00"),)))
    counter = posting_rules.VARIANCE_COUNTER.get(kind, AccountKind.SUSPENSE)
    adjustment = VarianceAdjustment(
        id=new_id(),
        company_id=payment.company_id,
        number="VAR-T-1",
        kind=kind,
        payment_id=payment.id,
        store_id=payment.store_id,
        counter_account_id=books.account(session, counter).id,
        currency="KES",
        original_amount=KES("5000.00"),
        adjusted_amount=KES(adjusted),
        reason="test",
        status=VarianceStatus.PENDING,
        proposed_by=user_id(session, "treasury"),
    )

    entry = posting_rules.variance(
        session,
        adjustment=adjustment,
        payment=payment,
        occurred_at=session.info["now"],
        by=user_id(session, "cfo"),
    )

    assert posted(session, entry) == expected
