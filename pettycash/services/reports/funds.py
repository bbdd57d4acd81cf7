"""Funds: their statement and cash book line by line, and how they stand."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, case, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from pettycash.models.imprest import Fund, Replenishment, Store
from pettycash.models.ledger import (
    AccountKind,
    Hold,
    HoldState,
    JournalEntry,
    LedgerAccount,
    Posting,
)
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import (
    Col,
    Link,
    Money,
    Param,
    Report,
    Row,
    Split,
    Totals,
    Values,
    path_of,
)
from pettycash.services.reports.params import (
    BRANCH,
    CURRENCY,
    FUND,
    PERIOD,
    always,
    day_before,
    narrowed,
)
from pettycash.services.reports.statements import SIGNED, foots, line_columns, statement

FEES, OTHER = "Fees", "Other"
MASKED = cast(func.left(Payment.payee_name, 1), Text) + "***"
STORE = Param(
    name="store_id",
    title="Store",
    kind=UUID,
    description="One store; default: all of the fund.",
    default="all",
    words=lambda uow, key: getattr(uow.session.get(Store, key), "code", str(key)),
)
PARAMS = (*PERIOD, FUND, BRANCH, CURRENCY)


def _lines(uow: Uow, values: Values, *more: Any) -> Select[*tuple[Any, ...]]:
    words = JournalEntry.description if visibility.sees_payees(uow.actor) else JournalEntry.rule
    lines = (
        select(
            *line_columns(uow),
            Fund.code.label("fund"),
            Fund.id.label("fund_id"),
            Store.code.label("store"),
            Store.id.label("store_id"),
            words.label("description"),
            *more,
        )
        .select_from(Posting)
        .join(Store, Store.account_id == Posting.account_id)
        .join(Fund, Fund.id == Store.fund_id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(visibility.funds(uow.actor))
    )
    return narrowed(
        lines, {"fund_id": Fund.id, "branch_id": Fund.branch_id, "currency": Fund.currency}, values
    )


def _fund_statement(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    lines = narrowed(_lines(uow, values, JournalEntry.source), {"store_id": Store.id}, values)
    return statement(lines, values, by=("fund", "fund_id"), sides=("in", "out"))


def _cash_book(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    hidden = not visibility.sees_payees(uow.actor)
    payee = MASKED if hidden else Payment.payee_name
    purpose = func.coalesce(Requisition.purpose, JournalEntry.description)
    lines = (
        _lines(
            uow, values,
            Payment.number.label("voucher"),
            payee.label("payee"),
            (cast(None, Text) if hidden else purpose).label("purpose"),
            _categories().label("categories"),
        )
        .outerjoin(Payment, Payment.id == JournalEntry.payment_id)
        .outerjoin(Requisition, Requisition.id == Payment.requisition_id)
    )  # fmt: skip
    return statement(lines, values, by=("fund", "fund_id"), sides=("in", "out"))


def _categories() -> ColumnElement[Any]:
    """What the other postings of a line's entry were for, as name → amount."""
    other, account = aliased(Posting), aliased(LedgerAccount)
    spent = case((other.side == "debit", other.amount), else_=-other.amount)
    name = case(
        (account.kind == AccountKind.EXPENSE, account.category),
        (account.kind == AccountKind.FEES, FEES),
        else_=OTHER,
    )
    sums = (
        select(name.label("name"), cast(func.sum(spent), Text).label("amount"))
        .join(account, account.id == other.account_id)
        .where(other.entry_id == Posting.entry_id, other.id != Posting.id)
        .group_by(name)
        .correlate(Posting)
        .lateral()
    )
    return select(func.jsonb_object_agg(sums.c.name, sums.c.amount, type_=JSONB)).scalar_subquery()


def _names(uow: Uow) -> list[str]:
    found = uow.session.scalars(
        select(LedgerAccount.category)
        .where(LedgerAccount.kind == AccountKind.EXPENSE, LedgerAccount.category.is_not(None))
        .distinct()
        .order_by(LedgerAccount.category)
    )
    return [*(each for each in found if each), FEES, OTHER]


def _status(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    in_fund = select(Store.account_id).where(Store.fund_id == Fund.id).correlate(Fund)
    balance = select(func.coalesce(func.sum(SIGNED), 0)).where(Posting.account_id.in_(in_fund))
    held = select(func.coalesce(func.sum(Hold.amount + Hold.expected_fee), 0)).where(
        Hold.account_id.in_(in_fund), Hold.state == HoldState.OPEN
    )
    filled = select(func.max(Replenishment.received_at)).where(Replenishment.fund_id == Fund.id)
    inner = (
        select(
            Fund.code, Fund.name, Fund.id.label("fund_id"), Fund.currency,
            Fund.target_balance.label("float"), Fund.reorder_level, Fund.branch_id,
            balance.scalar_subquery().label("balance"), held.scalar_subquery().label("held"),
            filled.scalar_subquery().label("last_filled"),
        )
        .where(Fund.is_active, visibility.funds(uow.actor))
    )  # fmt: skip
    inner = narrowed(
        inner, {"fund_id": Fund.id, "branch_id": Fund.branch_id, "currency": Fund.currency}, values
    )
    found = inner.subquery()
    available = found.c.balance - found.c.held
    state = case(
        (available <= 0, "empty"), (available < found.c.reorder_level, "low"), else_="enough"
    )
    return select(*found.c, available.label("available"), state.label("state")).order_by(
        found.c.currency, found.c.code
    )


def _to_lines(*adds: str, **days: Any) -> Link:
    query = {"fund_id": "fund_id", "store_id": _asked_store, **days}
    return Link(path=path_of("fund-statement"), query=query, adds=adds)


def _asked_store(_row: Row, values: Values) -> Any:
    return values.get("store_id")


def _of_line(direction: str) -> Link:
    query = {
        "entry_id": "entry_id",
        "store_id": "store_id",
        "direction": always(direction),
    }
    return Link(path="/api/ledger/", query=query, adds=("amount",))


def _spent_as_shown(totals: Totals) -> bool:
    split = [each for name, each in totals.items() if name.startswith("categories.")]
    return foots("in", "out")(totals) and sum(split) == totals["out"] - totals["in"]


BALANCES = (
    Money("in", "In", link=_of_line("in")),
    Money("out", "Out", link=_of_line("out")),
    Money("balance", "Balance", total=False),
    Money("opening", link=_to_lines("in", "-out", to=day_before)),
    Money("closing", link=_to_lines("in", "-out", to="to")),
)
LINE = (
    Col("entry_id", kind=UUID),
    Col("fund_id", kind=UUID),
    Col("store_id", kind=UUID),
    Col("date", "Date", kind=date),
    Col("fund", "Fund"),
    Col("store", "Store"),
    Col("row", "Row"),
    Col("late", "Late"),
)

CASH_BOOK = Report(
    name="cash-book",
    title="Petty cash book",
    summary="List what came into and left each fund, with payee, purpose and categories.",
    permission="cash_book.get",
    params=PARAMS,
    sql=_cash_book,
    columns=(
        *LINE,
        Col("voucher", "Voucher"),
        Col("payee", "Payee"),
        Col("purpose", "Purpose"),
        Col("currency", "Currency", kind=Currency),
        Split("categories", "Categories", names=_names),
        *BALANCES,
    ),
    foots=_spent_as_shown,
    as_pdf=True,
)

FUND_STATEMENT = Report(
    name="fund-statement",
    title="Fund statement",
    summary="List what came into and left each fund, with the balance after each line.",
    permission="fund_statement.get",
    params=(*PERIOD, FUND, STORE, BRANCH, CURRENCY),
    sql=_fund_statement,
    columns=(
        *LINE,
        Col("description", "Description"),
        Col("source"),
        Col("currency", "Currency", kind=Currency),
        *BALANCES,
    ),
    foots=foots("in", "out"),
    as_pdf=True,
)

FUND_STATUS = Report(
    name="fund-status",
    title="Fund status",
    summary="Show how each fund stands now: what it holds, what is held, when it was last filled.",
    permission="fund_status.get",
    params=(FUND, BRANCH, CURRENCY),
    sql=_status,
    columns=(
        Col("fund_id", kind=UUID),
        Col("code", "Fund"),
        Col("name", "Name"),
        Col("currency", "Currency", kind=Currency),
        Col("state", "State"),
        Money("float", "Float", total=False),
        Money("reorder_level", "Reorder level", total=False),
        Money("balance", "Balance", link=_to_lines("in", "-out")),
        Money("held", "Held", total=False),
        Money("available", "Available", total=False),
        Col("last_filled", "Last filled", kind=datetime),
    ),
)
