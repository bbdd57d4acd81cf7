"""The fund statement: postings of stores, told as money that came and went (domain.md §7).

`debit` is money out and `credit` money in, as the sources name them, which is the opposite of the
accounting side of a store; both are shown. The running balance is that of the fund over all of its
stores.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, literal, select, text
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund, Store
from pettycash.models.ledger import JournalEntry, Posting, Side
from pettycash.models.payments import PaymentReconciliation
from pettycash.runtime import errors
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.listings import (
    Filter,
    Find,
    Listing,
    between,
    days,
    exact,
    flag,
    many,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting_rules


class LineNotFound(errors.NotFound):
    """There is no such line within your scope."""

    code = "ledger.line_not_found"


class LineType(StrEnum):
    """The type of a line."""

    DEBIT = "debit"
    CREDIT = "credit"
    ADJUSTMENT = "adjustment"


class Direction(StrEnum):
    """Where the money went."""

    IN = "in"
    OUT = "out"


ADJUSTMENTS = tuple(
    name
    for name in posting_rules.RULES
    if name == "opening_balance" or name.startswith("variance_")
)
"""Rules whose lines are adjustments: people decided on them."""

LINE_TYPE: Any = case(
    (JournalEntry.rule.in_(ADJUSTMENTS), literal(LineType.ADJUSTMENT.value)),
    (Posting.side == Side.CREDIT, literal(LineType.DEBIT.value)),
    else_=literal(LineType.CREDIT.value),
)
DIRECTION: Any = case(
    (Posting.side == Side.DEBIT, literal(Direction.IN.value)), else_=literal(Direction.OUT.value)
)

ORDER = (Posting.entry_id.desc(), Posting.id.desc())
"""Newest first. Keys rise with each account's sequence (`posting.post`)."""

LINES = (
    select(
        Posting.id,
        Posting.entry_id,
        Posting.account_id,
        Store.fund_id,
        Store.id.label("store_id"),
        LINE_TYPE.label("type"),
        DIRECTION.label("direction"),
        Posting.side,
        Posting.amount,
        Posting.currency,
        Posting.balance_after.label("store_balance"),
        Posting.category,
        JournalEntry.rule,
        JournalEntry.source,
        JournalEntry.description,
        JournalEntry.occurred_at,
        JournalEntry.recorded_at,
        JournalEntry.accounting_date,
        JournalEntry.payment_id,
        JournalEntry.execution_id,
        JournalEntry.created_by,
        PaymentReconciliation.created_at.label("reconciled_at"),
        PaymentReconciliation.reconciled_by,
        PaymentReconciliation.source.label("reconciled_with"),
    )
    .join(Store, Store.account_id == Posting.account_id)
    .join(Fund, Fund.id == Store.fund_id)
    .join(JournalEntry, JournalEntry.id == Posting.entry_id)
    .outerjoin(PaymentReconciliation, PaymentReconciliation.payment_id == JournalEntry.payment_id)
)


def to_response(session: Session, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Rows of `LINES` with the fund's balance after each, and what they are about."""
    balances = _balances(session, [row.id for row in rows])
    return [
        {
            **row._mapping,
            "balance": balances[row.id],
            "reconciled": row.reconciled_at is not None,
            "replenishment_id": _about(row.source, "replenishment"),
            "variance_id": _about(row.source, "variance"),
        }
        for row in rows
    ]


def one(uow: Uow, *, posting_id: UUID) -> dict[str, Any]:
    """One line.

    Raises:
        LineNotFound: no such posting of a store within scope.
    """
    query = LINES.where(Posting.id == posting_id, visibility.funds(uow.actor))
    row = uow.session.execute(query).one_or_none()
    if row is None:
        raise LineNotFound
    return to_response(uow.session, [row])[0]


BALANCES = """
    SELECT line.id, (
        SELECT sum(newest.balance_after) FROM stores s
        CROSS JOIN LATERAL (
            SELECT p.balance_after FROM postings p
            -- A range of one account, and ordered by it: told that it is one, the planner reads the
            -- newest postings of all accounts until one of this account comes along.
            WHERE p.account_id BETWEEN s.account_id AND s.account_id
                AND p.entry_id <= line.entry_id
                AND (p.entry_id, p.id) <= (line.entry_id, line.id)
            ORDER BY p.account_id DESC, p.entry_id DESC, p.id DESC LIMIT 1
        ) AS newest
        WHERE s.fund_id = own.fund_id
    ) AS balance
    FROM postings line JOIN stores own ON own.account_id = line.account_id
    WHERE line.id = ANY(CAST(:ids AS uuid[]))
"""
"""A fund's balance after a line: of each of its stores, the newest posting up to that key."""


def _balances(session: Session, ids: Sequence[UUID]) -> dict[UUID, Decimal]:
    rows = session.execute(text(BALANCES), {"ids": [str(each) for each in ids]})
    return {row.id: row.balance for row in rows}


def _about(source: str, kind: str) -> UUID | None:
    """The object that an entry's source names, if it is of this kind."""
    parts = source.split(":")
    return UUID(parts[1]) if parts[0] == kind else None


def _told(uow: Uow, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return to_response(uow.session, rows)


LEDGER = Listing(
    name="ledger.list",
    query=LINES,
    scope=visibility.funds,
    filters={
        "fund_id": many(Store.fund_id),
        "store_id": many(Store.id),
        **{name: many(getattr(Fund, name)) for name in ("region_id", "branch_id", "department_id")},
        "type": Filter(kind=LineType, where=lambda value, _uow: value.value == LINE_TYPE),
        "direction": Filter(kind=Direction, where=lambda value, _uow: value.value == DIRECTION),
        "currency": many(Posting.currency, Currency),
        "entry_id": exact(Posting.entry_id),
        "payment_id": exact(JournalEntry.payment_id),
        "reconciled": flag(PaymentReconciliation.id.is_not(None)),
        **between("amount", Posting.amount),
        **days(JournalEntry.accounting_date),
    },
    find=Find(
        words=(JournalEntry.description, JournalEntry.source),
        text="Words of description and source, in any case.",
    ),
    orders={"newest": ORDER, "oldest": (Posting.entry_id, Posting.id)},
    show=_told,
    columns=(
        "accounting_date",
        "occurred_at",
        "fund_id",
        "store_id",
        "type",
        "direction",
        "amount",
        "currency",
        "balance",
        "description",
        "category",
        "source",
        "payment_id",
        "created_by",
        "reconciled",
    ),
    people=("created_by", "reconciled_by"),
)
"""The fund statement; days are accounting dates."""
