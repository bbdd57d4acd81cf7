"""The trial balance: every account on the side of its balance; the sides are equal.

Added up from postings, not read from the accounts, so that it proves them.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting
from pettycash.runtime.money import Currency
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Col, Link, Money, Report, Values, path_of
from pettycash.services.reports.params import AS_OF, CURRENCY, narrowed
from pettycash.services.reports.statements import SIGNED


def _sql(_uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    signed = func.sum(SIGNED)
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
    return narrowed(query, {"currency": account.currency}, values)


def _lines(*adds: str) -> Link:
    query = {"account_id": "account_id", "to": "as_of"}
    return Link(path=path_of("account-statement"), query=query, adds=adds)


TRIAL_BALANCE = Report(
    name="trial-balance",
    title="Trial balance",
    summary="Add up all postings, account by account; the two sides of each currency are equal.",
    permission="trial_balance.get",
    params=(AS_OF, CURRENCY),
    sql=_sql,
    columns=(
        Col("account_id", kind=UUID),
        Col("code", "Account"),
        Col("name", "Name"),
        Col("kind", "Kind", kind=AccountKind),
        Col("currency", "Currency", kind=Currency),
        Money("debit", "Debit", link=_lines("debit", "-credit")),
        Money("credit", "Credit", link=_lines("credit", "-debit")),
    ),
    foots=lambda totals: totals["debit"] == totals["credit"],
    as_pdf=True,
)
