"""Entries of payments: settled, charged for, moved twice, given back."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Store
from pettycash.models.ledger import AccountKind, JournalSource, Posting, Side
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition, RequisitionKind, RequisitionLine
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.services.ledger import accounts
from pettycash.services.ledger.posting import Entry, PostingLine, credit, debit
from pettycash.services.ledger.posting_rules.table import entry

K = AccountKind

ADVANCE_KINDS = frozenset({RequisitionKind.ADVANCE, RequisitionKind.PER_DIEM})
"""Money that somebody has to account for later: it is paid to an advances account."""


class SettlementMissing(errors.Conflict):
    """The payment has no settlement in the books, so it can't be returned."""

    code = "ledger.not_settled"


def settlement(
    session: Session,
    *,
    payment: Payment,
    requisition: Requisition,
    occurred_at: datetime,
    amount: Decimal,
    execution_id: UUID | None,
) -> Entry:
    """Money left the store for what was approved: the amount that was proven, not what was asked.

    An expense is split over the requisition's lines in proportion to them, exactly to the cent.
    """
    store = db.get_cached(session, Store, payment.store_id)
    shared = dimensions(store, requisition)
    if requisition.kind in ADVANCE_KINDS:
        person = accountable_person(requisition)
        advances = accounts.find(
            session, kind=K.ADVANCES, currency=payment.currency, party_id=person
        )
        rule = "advance"
        spent = [debit(advances.id, amount, **shared | {"party_id": person})]
    else:
        rule = "expense"
        spent = _expense_lines(
            session, requisition=requisition, amount=amount, shared=shared, payment=payment
        )
    return entry(
        rule,
        source=f"payment:{payment.id}:settled",
        description=f"{payment.number} for {requisition.number}",
        occurred_at=occurred_at,
        currency=payment.currency,
        payment_id=payment.id,
        execution_id=execution_id,
        postings=[*spent, credit(store.account_id, amount, **shared)],
    )


def fee(
    session: Session,
    *,
    payment: Payment,
    fee: Decimal,
    occurred_at: datetime,
    source: str,
    execution_id: UUID | None = None,
) -> Entry:
    """A proven fee: from the provider's charges account, or from the store where the rail does."""
    store = db.get_cached(session, Store, payment.store_id)
    shared = dimensions(store, session.get_one(Requisition, payment.requisition_id))
    expense = accounts.find(session, kind=K.FEES, currency=payment.currency)
    return entry(
        "fee_from_store" if takes_fee_from_store(payment) else "fee",
        source=source,
        description=f"Fee of {payment.number}",
        occurred_at=occurred_at,
        currency=payment.currency,
        payment_id=payment.id,
        execution_id=execution_id,
        postings=[
            debit(expense.id, fee, **shared),
            credit(fee_account_id(session, payment=payment, store=store), fee, **shared),
        ],
    )


def duplicate_payment(
    session: Session,
    *,
    payment: Payment,
    amount: Decimal,
    occurred_at: datetime,
    source: str,
    execution_id: UUID | None = None,
) -> Entry:
    """Another attempt moved money although the payment is paid: the payee owes it back."""
    store = db.get_cached(session, Store, payment.store_id)
    shared = dimensions(store, session.get_one(Requisition, payment.requisition_id))
    owed = accounts.find(session, kind=K.RECOVERABLE, currency=payment.currency)
    return entry(
        "duplicate_payment",
        source=source,
        description=f"Duplicate payment of {payment.number}",
        occurred_at=occurred_at,
        currency=payment.currency,
        payment_id=payment.id,
        execution_id=execution_id,
        postings=[
            debit(owed.id, amount, **shared | {"party_id": payment.payee_user_id}),
            credit(store.account_id, amount, **shared),
        ],
    )


def returned(
    session: Session,
    *,
    payment: Payment,
    amount: Decimal,
    occurred_at: datetime,
    source: str,
    execution_id: UUID | None = None,
) -> Entry:
    """Money came back: Dr store, Cr what the settlement debited, in proportion. The fee stands.

    Raises:
        SettlementMissing: the books know of no settlement.
    """
    store = db.get_cached(session, Store, payment.store_id)
    settled = session.execute(
        select(Posting)
        .join(JournalSource, JournalSource.entry_id == Posting.entry_id)
        .where(
            JournalSource.source == f"payment:{payment.id}:settled",
            Posting.side == Side.DEBIT,
        )
        .order_by(Posting.id)
    ).scalars()
    originals = list(settled)
    if not originals:
        raise SettlementMissing
    shares = money.allocate(amount, [each.amount for each in originals], Currency(payment.currency))
    back = [
        credit(
            each.account_id,
            share,
            fund_id=each.fund_id,
            branch_id=each.branch_id,
            department_id=each.department_id,
            cost_center_id=each.cost_center_id,
            category=each.category,
            party_id=each.party_id,
        )
        for each, share in zip(originals, shares, strict=True)
        if share > 0
    ]
    is_whole = amount == sum((each.amount for each in originals), Decimal(0))
    shared = dimensions(store, session.get_one(Requisition, payment.requisition_id))
    return entry(
        "returned",
        source=source,
        description=f"{payment.number} came back",
        occurred_at=occurred_at,
        currency=payment.currency,
        payment_id=payment.id,
        execution_id=execution_id,
        reverses_entry_id=originals[0].entry_id if is_whole else None,
        postings=[debit(store.account_id, amount, **shared), *back],
    )


def accountable_person(requisition: Requisition) -> UUID:
    """The person who has to retire an advance: the member who got it, else the requester."""
    return requisition.payee_user_id or requisition.requester_id


def takes_fee_from_store(payment: Payment) -> bool:
    """Whether a payment's fee leaves the store: the rail does so, or no provider is involved."""
    return payment.method.facts.fee_from_paying_account or payment.provider_account_id is None


def fee_account_id(session: Session, *, payment: Payment, store: Store) -> UUID:
    """The account that a payment's fee leaves."""
    if takes_fee_from_store(payment):
        return store.account_id
    return accounts.find(
        session,
        kind=K.PROVIDER_CHARGES,
        currency=payment.currency,
        provider_account_id=payment.provider_account_id,
    ).id


def _expense_lines(
    session: Session,
    *,
    requisition: Requisition,
    amount: Decimal,
    shared: Mapping[str, Any],
    payment: Payment,
) -> list[PostingLine]:
    lines = list(
        session.execute(
            select(RequisitionLine)
            .where(RequisitionLine.requisition_id == requisition.id)
            .order_by(RequisitionLine.position),
            execution_options=db.PREPARED,
        ).scalars()
    )
    shares = money.allocate(amount, [line.amount for line in lines], Currency(payment.currency))
    totals: dict[tuple[str, UUID | None], Decimal] = defaultdict(Decimal)
    for line, share in zip(lines, shares, strict=True):
        cost_center_id = line.cost_center_id or requisition.cost_center_id
        totals[line.category, cost_center_id] += share
    return [
        debit(
            accounts.find(session, kind=K.EXPENSE, currency=payment.currency, category=category).id,
            share,
            **{**shared, "category": category, "cost_center_id": cost_center_id},
        )
        for (category, cost_center_id), share in totals.items()
        if share > 0
    ]


def dimensions(store: Store, requisition: Requisition) -> dict[str, Any]:
    """The references that every posting of a payment carries."""
    return {
        "fund_id": store.fund_id,
        "branch_id": requisition.branch_id,
        "department_id": requisition.department_id,
        "cost_center_id": requisition.cost_center_id,
        "party_id": requisition.payee_user_id,
    }
