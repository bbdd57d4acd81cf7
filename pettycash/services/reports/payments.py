"""Payments: each with what the books say of it, and added up by method, status and time (R1)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Numeric, Select, case, cast, func, select

from pettycash.models.imprest import Store
from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import Requisition
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import (
    Col,
    Link,
    Money,
    Number,
    Param,
    Report,
    Values,
    path_of,
)
from pettycash.services.reports.params import (
    BRANCH,
    CURRENCY,
    FUND,
    PERIOD,
    day,
    narrowed,
    within,
)
from pettycash.services.reports.statements import SIGNED

SETTLED = ("expense", "advance")


class Span(StrEnum):
    """The time that a row of a summary stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


METHOD = Param(
    name="method",
    title="Method",
    kind=Method,
    description="One method; default: all.",
    default="all",
)
STATUS = Param(
    name="status",
    title="Status",
    kind=PaymentStatus,
    description="One status; default: all.",
    default="all",
)
SPAN = Param(
    name="by", title="By", kind=Span, description="Time of a row; default: month.", default="month"
)
PARAMS = (*PERIOD, FUND, BRANCH, METHOD, STATUS, CURRENCY)


def _payments(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    """Each payment on the day of its settlement in the books; without one, of its making."""
    in_store = case((LedgerAccount.kind == AccountKind.STORE, -SIGNED), else_=0)
    of_fees = case((LedgerAccount.kind == AccountKind.FEES, SIGNED), else_=0)
    settled = JournalEntry.rule.in_(SETTLED)
    posted = (
        select(
            func.min(JournalEntry.accounting_date).filter(settled).label("day"),
            func.sum(in_store).filter(settled).label("amount"),
            func.coalesce(func.sum(of_fees), 0).label("fee"),
        )
        .join(Posting, Posting.entry_id == JournalEntry.id)
        .join(LedgerAccount, LedgerAccount.id == Posting.account_id)
        .where(JournalEntry.payment_id == Payment.id)
        .lateral()
    )
    days = func.coalesce(posted.c.day, day(uow, Payment.created_at))
    query = (
        select(
            Payment.id.label("payment_id"), Payment.number, Payment.method, Payment.status,
            Payment.currency, Payment.payee_name.label("payee"),
            Requisition.number.label("requisition"), Store.code.label("store"),
            days.label("day"), func.coalesce(posted.c.amount, Payment.amount).label("amount"),
            func.coalesce(posted.c.fee, 0).label("fee"),
        )
        .join(Requisition, Requisition.id == Payment.requisition_id)
        .join(Store, Store.id == Payment.store_id)
        .outerjoin(posted, posted.c.day.is_not(None) | posted.c.day.is_(None))
        .where(visibility.payments(uow.actor))
    )  # fmt: skip
    columns = {
        "fund_id": Store.fund_id,
        "branch_id": Requisition.branch_id,
        "method": Payment.method,
        "status": Payment.status,
        "currency": Payment.currency,
    }
    return narrowed(within(query, days, values), columns, values)


def _register(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    return _payments(uow, values).order_by(Payment.currency, Payment.id)


def _summary(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    each = _payments(uow, values).subquery()
    span = values["by"] or Span.MONTH
    begins = cast(func.date_trunc(span.value, each.c.day), Date)
    key = (each.c.currency, begins, each.c.method, each.c.status)
    of_method = func.sum(func.count()).over(partition_by=(each.c.currency, begins, each.c.method))
    return (
        select(
            each.c.currency, begins.label("begins"), each.c.method, each.c.status,
            func.min(each.c.day).label("first"), func.max(each.c.day).label("last"),
            func.count().label("payments"),
            cast(func.round(100 * func.count() / of_method, 1), Numeric).label("percent"),
            func.sum(each.c.amount).label("amount"), func.sum(each.c.fee).label("fee"),
        )
        .group_by(*key)
        .order_by(*key)
    )  # fmt: skip


def _to_register(*adds: str) -> Link:
    query: Mapping[str, str] = {
        "from": "first", "to": "last", "method": "method", "status": "status",
        "currency": "currency", "fund_id": "fund_id", "branch_id": "branch_id",
    }  # fmt: skip
    return Link(path=path_of("payment-register"), query=query, adds=adds)


ITSELF = Link(path="/api/payments/{payment_id}/")

PAYMENTS = Report(
    name="payment-register",
    title="Payment register",
    summary="List payments with amount and fee as the books have them.",
    permission="payment_register.get",
    params=PARAMS,
    sql=_register,
    columns=(
        Col("payment_id", kind=UUID),
        Col("number", "Payment"),
        Col("requisition", "Requisition"),
        Col("day", "Day", kind=date),
        Col("method", "Method", kind=Method),
        Col("status", "Status", kind=PaymentStatus),
        Col("payee", "Payee"),
        Col("store", "Store"),
        Col("currency", "Currency", kind=Currency),
        Money("amount", "Amount", link=ITSELF),
        Money("fee", "Fee", link=ITSELF),
    ),
)

PAYMENT_SUMMARY = Report(
    name="payment-summary",
    title="Payment summary",
    summary="Add up payments by method, status and day, week or month.",
    permission="payment_summary.get",
    params=(*PARAMS, SPAN),
    sql=_summary,
    columns=(
        Col("begins", "Begins", kind=date),
        Col("first", kind=date),
        Col("last", kind=date),
        Col("method", "Method", kind=Method),
        Col("status", "Status", kind=PaymentStatus),
        Col("currency", "Currency", kind=Currency),
        Number("payments", "Payments", total=True, link=_to_register()),
        Number("percent", "% of the method", kind=Decimal),
        Money("amount", "Amount", link=_to_register("amount")),
        Money("fee", "Fee", link=_to_register("fee")),
    ),
)
