"""Entries of the imprest: opening balances, replenishments, variances."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.imprest import Replenishment, Store, VarianceAdjustment, VarianceKind
from pettycash.models.ledger import AccountKind
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.services.ledger import accounts
from pettycash.services.ledger.posting import Entry, credit, debit
from pettycash.services.ledger.posting_rules.payments import dimensions, fee_account_id
from pettycash.services.ledger.posting_rules.table import entry

K = AccountKind

VARIANCE_COUNTER: Mapping[VarianceKind, AccountKind] = {
    VarianceKind.FEE: K.FEES,
    VarianceKind.OVERPAID: K.RECOVERABLE,
    VarianceKind.UNDERPAID: K.PAYABLE,
    VarianceKind.COUNT: K.DIFFERENCES_PENDING,
}
"""The counter account of a variance; `other` names its own."""

OTHER_COUNTERS = frozenset({K.SUSPENSE, K.EXPENSE, K.DIFFERENCES_PENDING, K.RECEIVABLE, K.PAYABLE})
"""Kinds that a variance of kind `other` may name."""


def opening(
    session: Session, *, store: Store, amount: Decimal, occurred_at: datetime, by: UUID | None
) -> Entry:
    """The money that lay in a store when its books began."""
    equity = accounts.find(session, kind=K.EQUITY, currency=store.currency)
    return entry(
        "opening_balance",
        source=f"store:{store.code}:opening",
        description=f"Opening balance of {store.code}",
        occurred_at=occurred_at,
        currency=store.currency,
        created_by=by,
        postings=[
            debit(store.account_id, amount, fund_id=store.fund_id),
            credit(equity.id, amount, fund_id=store.fund_id),
        ],
    )


def top_up_sent(
    session: Session,
    *,
    replenishment: Replenishment,
    bank_account_id: UUID | None,
    amount: Decimal,
    occurred_at: datetime,
    by: UUID,
) -> Entry:
    """A replenishment's transfer left the bank (the company's only one unless another is named)."""
    currency = replenishment.currency
    if bank_account_id is None:
        bank_account_id = accounts.find(session, kind=K.BANK, currency=currency).id
    return entry(
        "top_up_sent",
        source=f"replenishment:{replenishment.id}:funded",
        description=f"Transfer of {replenishment.number}",
        occurred_at=occurred_at,
        currency=currency,
        created_by=by,
        postings=[
            debit(_in_transit(session, replenishment), amount, fund_id=replenishment.fund_id),
            credit(bank_account_id, amount, fund_id=replenishment.fund_id),
        ],
    )


def top_up_received(
    session: Session,
    *,
    replenishment: Replenishment,
    amount: Decimal,
    total_received: Decimal,
    occurred_at: datetime,
    by: UUID,
) -> Entry:
    """`amount` of a replenishment reached the store, which makes `total_received` so far."""
    store = session.get_one(Store, replenishment.store_id)
    return entry(
        "top_up_received",
        source=f"replenishment:{replenishment.id}:received:{total_received:.2f}",
        description=f"Receipt of {replenishment.number}",
        occurred_at=occurred_at,
        currency=replenishment.currency,
        created_by=by,
        postings=[
            debit(store.account_id, amount, fund_id=replenishment.fund_id),
            credit(_in_transit(session, replenishment), amount, fund_id=replenishment.fund_id),
        ],
    )


def transit_loss(
    session: Session,
    *,
    replenishment: Replenishment,
    amount: Decimal,
    occurred_at: datetime,
    by: UUID,
) -> Entry:
    """The rest of a short delivery will not come; what becomes of it is the CFO's to decide."""
    pending = accounts.find(session, kind=K.DIFFERENCES_PENDING, currency=replenishment.currency)
    return entry(
        "transit_loss",
        source=f"replenishment:{replenishment.id}:lost",
        description=f"Rest of {replenishment.number}",
        occurred_at=occurred_at,
        currency=replenishment.currency,
        created_by=by,
        postings=[
            debit(pending.id, amount, fund_id=replenishment.fund_id),
            credit(_in_transit(session, replenishment), amount, fund_id=replenishment.fund_id),
        ],
    )


def variance(
    session: Session,
    *,
    adjustment: VarianceAdjustment,
    payment: Payment | None,
    occurred_at: datetime,
    by: UUID,
) -> Entry:
    """An approved variance. Positive: more money left than the books say, so the store is credited.

    A fee is an extra outflow from wherever the rail takes its fees, never a smaller payment.
    """
    store = session.get_one(Store, adjustment.store_id)
    difference = adjustment.adjusted_amount - adjustment.original_amount
    amount = abs(difference)
    shared: dict[str, Any] = {"fund_id": store.fund_id}
    if payment is not None:
        shared = dimensions(store, session.get_one(Requisition, payment.requisition_id))
    affected = store.account_id
    if adjustment.kind is VarianceKind.FEE and payment is not None:
        affected = fee_account_id(session, payment=payment, store=store)
    counter = adjustment.counter_account_id
    sides = (debit, credit) if difference > 0 else (credit, debit)
    return entry(
        f"variance_{adjustment.kind.value}",
        source=f"variance:{adjustment.id}",
        description=f"{adjustment.number}: {adjustment.reason}",
        occurred_at=occurred_at,
        currency=adjustment.currency,
        created_by=by,
        payment_id=adjustment.payment_id,
        postings=[
            sides[0](counter, amount, **shared),
            sides[1](affected, amount, **shared),
        ],
    )


def _in_transit(session: Session, replenishment: Replenishment) -> UUID:
    return accounts.find(
        session,
        kind=K.IN_TRANSIT,
        currency=replenishment.currency,
        fund_id=replenishment.fund_id,
    ).id
