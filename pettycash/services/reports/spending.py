"""Spending: what was posted to expense accounts, by category and place."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from pettycash.models.access import Branch, CostCenter, Department
from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting
from pettycash.runtime.money import Currency
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Col, Link, Money, Report, Values, path_of
from pettycash.services.reports.general_ledger import DIMENSIONS, NONE, by_dimension
from pettycash.services.reports.params import CURRENCY, PERIOD, narrowed, within
from pettycash.services.reports.statements import SIGNED

PLACES: Mapping[str, type[Branch] | type[Department] | type[CostCenter]] = {
    "branch_id": Branch,
    "department_id": Department,
    "cost_center_id": CostCenter,
}


def _sql(_uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    account = LedgerAccount
    ids = [getattr(Posting, name) for name in PLACES]
    codes = [model.code for model in PLACES.values()]
    query = (
        select(
            account.id.label("account_id"), account.category, account.currency,
            *(func.coalesce(each, NONE).label(each.key) for each in ids),
            *(
                func.coalesce(code, "none").label(name.removesuffix("_id"))
                for name, code in zip(PLACES, codes, strict=True)
            ),
            func.sum(SIGNED).label("amount"),
        )
        .join(Posting, Posting.account_id == account.id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(account.kind == AccountKind.EXPENSE)
        .group_by(account.id, *ids, *codes)
        .order_by(account.currency, account.category, *codes, account.id, *ids)
    )  # fmt: skip
    for name, model in PLACES.items():
        query = query.outerjoin(model, model.id == getattr(Posting, name))
    query = within(query, JournalEntry.accounting_date, values)
    return narrowed(by_dimension(query, values), {"currency": account.currency}, values)


LINES = Link(
    path=path_of("account-statement"),
    query={
        each: each
        for each in ("account_id", "branch_id", "department_id", "cost_center_id", "fund_id")
    }
    | {"from": "from", "to": "to"},
    adds=("debit", "-credit"),
)

SPENDING = Report(
    name="spending",
    title="Spending",
    summary="Add up expenses by category, branch, department and cost centre.",
    permission="spending.get",
    params=(*PERIOD, *DIMENSIONS, CURRENCY),
    sql=_sql,
    columns=(
        Col("account_id", kind=UUID),
        *(Col(name, kind=UUID) for name in PLACES),
        Col("category", "Category"),
        Col("branch", "Branch"),
        Col("department", "Department"),
        Col("cost_center", "Cost centre"),
        Col("currency", "Currency", kind=Currency),
        Money("amount", "Amount", link=LINES),
    ),
)
