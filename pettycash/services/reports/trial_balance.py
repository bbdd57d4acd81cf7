"""The trial balance: every account on the side of its balance; the sides are equal.

Added up from postings, not read from the accounts, so that it proves them.
"""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select

from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting, Side
from pettycash.runtime.money import Currency
from pettycash.services.reports.declared import Col, Link, Money, Param, Report, Values

AS_OF = Param(
    name="as_of",
    title="As of",
    kind=date,
    description="Accounting dates up to this day, inclusive; default: all.",
    default="all postings",
)
CURRENCY = Param(
    name="currency",
    title="Currency",
    kind=Currency,
    description="One currency; default: each in a part of its own.",
    default="all",
)


def _sql(values: Values) -> Select[Any]:
    signed = func.sum(case((Posting.side == Side.DEBIT, Posting.amount), else_=-Posting.amount))
    account = LedgerAccount
    query = (
        select(
            account.id.label("account_id"),
            account.code,
            account.name,
            account.kind,
            account.currency,
            func.greatest(signed, 0).label("debit"),
            func.greatest(-signed, 0).label("credit"),
        )
        .join(Posting, Posting.account_id == account.id)
        .group_by(account.id)
        .order_by(account.currency, account.code)
    )
    if values["as_of"] is not None:
        query = query.join(JournalEntry, JournalEntry.id == Posting.entry_id).where(
            JournalEntry.accounting_date <= values["as_of"]
        )
    if values["currency"] is not None:
        query = query.where(account.currency == values["currency"])
    return query


POSTINGS = Link(
    path="/api/journal/",
    query={"account_id": "account_id", "to": "as_of", "currency": "currency"},
)

TRIAL_BALANCE = Report(
    name="trial-balance",
    title="Trial balance",
    permission="trial_balance.get",
    params=(AS_OF, CURRENCY),
    sql=_sql,
    columns=(
        Col("account_id", kind=UUID),
        Col("code", "Account"),
        Col("name", "Name"),
        Col("kind", "Kind", kind=AccountKind),
        Col("currency", "Currency", kind=Currency),
        Money("debit", "Debit", link=POSTINGS),
        Money("credit", "Credit", link=POSTINGS),
    ),
    foots=lambda totals: totals["debit"] == totals["credit"],
)
