"""The general ledger: what each account began with, took in, gave out and ended with; its lines."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, select

from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting, Side
from pettycash.runtime.money import Currency
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Col, Link, Money, Param, Report, Values, path_of
from pettycash.services.reports.params import BRANCH, CURRENCY, FUND, PERIOD, day_before, narrowed
from pettycash.services.reports.statements import SIGNED, foots, line_columns, statement

NONE = UUID(int=0)
"""A dimension that a posting does not have."""


def _dimension(name: str, title: str) -> Param:
    return Param(
        name=name,
        title=title,
        kind=UUID,
        description=f"Postings of one {title.lower()}; {NONE}: of none.",
        default="all",
    )


DIMENSIONS = (
    FUND,
    BRANCH,
    _dimension("department_id", "Department"),
    _dimension("cost_center_id", "Cost centre"),
)
ACCOUNT = Param(
    name="account_id",
    title="Account",
    kind=UUID,
    description="One account; default: all.",
    default="all",
    words=lambda uow, key: getattr(uow.session.get(LedgerAccount, key), "code", str(key)),
)


def by_dimension(query: Select[*tuple[Any, ...]], values: Values) -> Select[*tuple[Any, ...]]:
    """Narrow a query to the postings of what is given; `NONE` stands for those without any."""
    columns = {each.name: getattr(Posting, each.name) for each in DIMENSIONS}
    return narrowed(
        query, {name: func.coalesce(column, NONE) for name, column in columns.items()}, values
    )


def _sums(_uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    entered, account = JournalEntry.accounting_date, LedgerAccount
    begins = literal(False) if values["from"] is None else entered < values["from"]
    sums = {
        "opening": func.sum(SIGNED).filter(begins),
        "debit": func.sum(Posting.amount).filter(~begins, Posting.side == Side.DEBIT),
        "credit": func.sum(Posting.amount).filter(~begins, Posting.side == Side.CREDIT),
        "closing": func.sum(SIGNED),
    }
    query = (
        select(
            account.id.label("account_id"),
            account.code,
            account.name,
            account.kind,
            account.currency,
            *(func.coalesce(each, 0).label(name) for name, each in sums.items()),
        )
        .join(Posting, Posting.account_id == account.id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .group_by(account.id)
        .order_by(account.currency, account.code)
    )
    if values["to"] is not None:
        query = query.where(entered <= values["to"])
    columns = {"currency": account.currency, "account_id": account.id}
    return narrowed(by_dimension(query, values), columns, values)


def _lines(_uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    account = LedgerAccount
    lines = (
        select(
            *line_columns(_uow),
            account.code,
            account.id.label("account_id"),
            JournalEntry.description,
            JournalEntry.source,
        )
        .join(account, account.id == Posting.account_id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
    )
    columns = {"currency": account.currency, "account_id": account.id}
    lines = narrowed(by_dimension(lines, values), columns, values)
    return statement(lines, values, by=("code", "account_id"))


def _to_lines(*adds: str, **days: Any) -> Link:
    query = {each.name: each.name for each in DIMENSIONS}
    days = days or {"from": "from", "to": "to"}
    return Link(
        path=path_of("account-statement"),
        query={"account_id": "account_id", **query, **days},
        adds=adds,
    )


BEFORE, AFTER = {"to": day_before}, {"to": "to"}
ENTRY = Link(path="/api/journal/{entry_id}/")

GENERAL_LEDGER = Report(
    name="general-ledger",
    title="General ledger",
    summary="Add up each account by accounting date: opening, debit, credit, closing.",
    permission="general_ledger.get",
    params=(*PERIOD, ACCOUNT, *DIMENSIONS, CURRENCY),
    sql=_sums,
    columns=(
        Col("account_id", kind=UUID),
        Col("code", "Account"),
        Col("name", "Name"),
        Col("kind", "Kind", kind=AccountKind),
        Col("currency", "Currency", kind=Currency),
        Money("opening", "Opening", link=_to_lines("debit", "-credit", **BEFORE)),
        Money("debit", "Debit", link=_to_lines("debit")),
        Money("credit", "Credit", link=_to_lines("credit")),
        Money("closing", "Closing", link=_to_lines("debit", "-credit", **AFTER)),
    ),
    foots=foots(),
)

ACCOUNT_STATEMENT = Report(
    name="account-statement",
    title="Account statement",
    summary="List the postings of each account by accounting date, with the balance after each.",
    permission="account_statement.get",
    params=(*PERIOD, ACCOUNT, *DIMENSIONS, CURRENCY),
    sql=_lines,
    columns=(
        Col("account_id", kind=UUID),
        Col("entry_id", kind=UUID),
        Col("code", "Account"),
        Col("row", "Row"),
        Col("date", "Date", kind=date),
        Col("late", "Late"),
        Col("description", "Description"),
        Col("source", "Source"),
        Col("currency", "Currency", kind=Currency),
        Money("debit", "Debit", link=ENTRY),
        Money("credit", "Credit", link=ENTRY),
        Money("balance", "Balance", total=False),
        Money("opening", link=_to_lines("debit", "-credit", **BEFORE)),
        Money("closing", link=_to_lines("debit", "-credit", **AFTER)),
    ),
    foots=foots(),
)
