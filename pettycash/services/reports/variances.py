"""The trend of variances: month by month and kind, what was approved and how long that took."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Numeric, Select, cast, func, select

from pettycash.models.imprest import Fund, Store, VarianceAdjustment, VarianceKind, VarianceStatus
from pettycash.models.ledger import JournalEntry, Posting
from pettycash.runtime.money import Currency
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Col, Link, Money, Number, Report, Row, Values
from pettycash.services.reports.params import (
    BRANCH,
    CURRENCY,
    FUND,
    PERIOD,
    always,
    day,
    narrowed,
    within,
)
from pettycash.services.reports.statements import SIGNED


def _sql(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of, entered = VarianceAdjustment, JournalEntry.accounting_date
    month = cast(func.date_trunc("month", entered), Date)
    took = cast(day(uow, of.decided_at) - day(uow, of.created_at), Numeric)
    query = (
        select(
            of.currency, month.label("month"), of.kind, func.count().label("variances"),
            func.sum(SIGNED).label("amount"),
            func.round(func.avg(took), 1).label("days"),
        )
        .join(JournalEntry, JournalEntry.id == of.entry_id)
        .join(
            Posting,
            (Posting.entry_id == of.entry_id) & (Posting.account_id == of.counter_account_id),
        )
        .join(Store, Store.id == of.store_id)
        .join(Fund, Fund.id == Store.fund_id)
        .group_by(of.currency, month, of.kind)
        .order_by(of.currency, month, of.kind)
    )  # fmt: skip
    columns = {"fund_id": Fund.id, "branch_id": Fund.branch_id, "currency": of.currency}
    return narrowed(within(query, entered, values), columns, values)


def _first(row: Row, values: Values) -> date:
    month: date = row["month"]
    asked: date = values["from"] or month
    return max(month, asked)


def _last(row: Row, values: Values) -> date:
    last: date = (row["month"] + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    asked: date = values["to"] or last
    return min(last, asked)


def _approved(*adds: str) -> Link:
    query = {
        "kind": "kind",
        "status": always(VarianceStatus.APPROVED),
        "decided_from": _first,
        "decided_to": _last,
        "currency": "currency",
        "fund_id": "fund_id",
        "branch_id": "branch_id",
    }
    return Link(path="/api/variances/", query=query, adds=adds)


VARIANCES = Report(
    name="variance-trend",
    title="Variance trend",
    summary="Count approved variances by month and kind, what they came to and how long they took.",
    permission="variance_trend.get",
    params=(*PERIOD, FUND, BRANCH, CURRENCY),
    sql=_sql,
    columns=(
        Col("month", "Month", kind=date),
        Col("kind", "Kind", kind=VarianceKind),
        Col("currency", "Currency", kind=Currency),
        Number("variances", "Approved", total=True, link=_approved()),
        Money("amount", "Amount", link=_approved("variance_amount")),
        Number("days", "Mean days to decide", kind=Decimal),
    ),
)
