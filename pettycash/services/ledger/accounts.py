"""The chart of accounts: one template per company, and accounts made when first needed.

An account is found by what it stands for, never by its code; the code is for people. Most kinds
have one account per currency; some belong to a fund, a provider account, a person or a category
(QUALIFIERS), and the first posting that needs one makes it, since a fact is never refused for want
of an account.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, ProviderAccount
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.runtime import db, errors
from pettycash.runtime.money import Currency
from pettycash.services.foundation.listings import Find, Listing, flag, many

K = AccountKind


class AccountNotFound(errors.NotFound):
    """There is no such ledger account in this company."""

    code = "account.not_found"


class AccountExists(errors.Conflict):
    """An account of this code, or for this purpose, exists in this currency already."""

    code = "account.exists"


class AccountNeedsOwner(errors.RuleViolation):
    """An account of this kind is opened with its store, fund, person or provider account only."""

    code = "account.kind_not_free"


@dataclass(frozen=True)
class AccountNumbering:
    """How accounts of a kind are numbered and called."""

    number: str
    name: str
    qualifier: str | None = None
    """The column that tells accounts of this kind and currency apart; None: there is only one."""


PLAN: Mapping[AccountKind, AccountNumbering] = {
    K.STORE: AccountNumbering("1000", "Store", "store"),
    K.BANK: AccountNumbering("1100", "Bank"),
    K.IN_TRANSIT: AccountNumbering("1200", "In transit", "fund_id"),
    K.UNALLOCATED: AccountNumbering("1300", "Unallocated", "provider_account_id"),
    K.PROVIDER_CHARGES: AccountNumbering("1310", "Charges account", "provider_account_id"),
    K.ADVANCES: AccountNumbering("1400", "Advances", "party_id"),
    K.RECEIVABLE: AccountNumbering("1500", "Receivable"),
    K.RECOVERABLE: AccountNumbering("1510", "Recoverable from payee"),
    K.INPUT_VAT: AccountNumbering("1520", "Input VAT"),
    K.PAYABLE: AccountNumbering("2000", "Payable"),
    K.WHT_PAYABLE: AccountNumbering("2100", "Withholding tax payable"),
    K.WALLET: AccountNumbering("2200", "Wallet", "party_id"),
    K.SUSPENSE: AccountNumbering("2900", "Suspense"),
    K.DIFFERENCES_PENDING: AccountNumbering("2910", "Differences pending"),
    K.FX_CLEARING: AccountNumbering("2920", "FX clearing"),
    K.EQUITY: AccountNumbering("3000", "Equity"),
    K.EXPENSE: AccountNumbering("5000", "Expense", "category"),
    K.FEES: AccountNumbering("5900", "Fees"),
    K.OVER_SHORT: AccountNumbering("5910", "Over and short"),
}
"""Every kind, its number and its qualifier (template of domain.md §7)."""

TEMPLATE_CATEGORIES = (
    "communication",
    "fuel",
    "maintenance",
    "meals",
    "medical",
    "office",
    "office_supplies",
    "other",
    "stationery",
    "travel",
    "utilities",
)
"""Expense categories that every company starts with; further ones are opened, as accounts."""

FREE_KINDS = frozenset({K.BANK, K.EXPENSE})
"""Kinds of which people open further accounts, told apart by `category`."""


def create_template(session: Session, company: Company) -> None:
    """Open the accounts that every company has, in its currency. Running it again adds nothing."""
    for kind, plan in PLAN.items():
        if plan.qualifier is None:
            _open(session, company_id=company.id, kind=kind, currency=company.currency)
    for category in TEMPLATE_CATEGORIES:
        _open(
            session,
            company_id=company.id,
            kind=K.EXPENSE,
            currency=company.currency,
            category=category,
        )


def find(
    session: Session,
    *,
    kind: AccountKind,
    currency: str,
    fund_id: UUID | None = None,
    provider_account_id: UUID | None = None,
    party_id: UUID | None = None,
    category: str | None = None,
) -> LedgerAccount:
    """The account that stands for this, opened now if nobody needed it before.

    Two callers at once get the same account. A store's account is not found here: it is made with
    its store (`funds.store_account`).

    Raises:
        ValueError: the qualifier of the kind (PLAN) is missing, or one too many is given.
    """
    owner: dict[str, Any] = {
        "fund_id": fund_id,
        "provider_account_id": provider_account_id,
        "party_id": party_id,
        "category": category,
    }
    _check_qualifier(kind, owner)
    query = select(LedgerAccount).where(
        LedgerAccount.kind == kind,
        LedgerAccount.currency == currency,
        *(_is(getattr(LedgerAccount, name), value) for name, value in owner.items()),
    )
    company_id = session.info["scope"].company_id
    for is_code_taken in (False, True):
        found = session.execute(query, execution_options=db.PREPARED).scalar_one_or_none()
        if found is not None:
            return found
        _open(
            session,
            company_id=company_id,
            kind=kind,
            currency=currency,
            is_code_taken=is_code_taken,
            **owner,
        )
    return session.execute(query).scalar_one()


def create(
    session: Session,
    *,
    kind: AccountKind,
    category: str,
    code: str,
    name: str,
    currency: Currency,
) -> LedgerAccount:
    """Open a further bank account or an expense category under a code and name of one's own.

    Raises:
        AccountNeedsOwner: accounts of this kind are not opened by hand.
        AccountExists: code or category is taken in this currency.
    """
    if kind not in FREE_KINDS:
        raise AccountNeedsOwner(f"An account of kind {kind} is made with what it belongs to.")
    account = LedgerAccount(
        id=new_id(),
        company_id=session.info["scope"].company_id,
        kind=kind,
        category=category,
        code=code,
        name=name,
        currency=currency.value,
    )
    try:
        with session.begin_nested():
            session.add(account)
            session.flush()  # a taken code must be told here, not at commit
    except IntegrityError as error:
        raise AccountExists from error
    return account


CATEGORY_WORD = func.coalesce(LedgerAccount.category, "")
"""Never null: expense accounts have one."""
CATEGORY = (
    select(LedgerAccount.category, func.min(LedgerAccount.name).label("name"))
    .where(LedgerAccount.kind == K.EXPENSE, LedgerAccount.is_active)
    .group_by(LedgerAccount.category)
)
"""The company's categories, each once, however many currencies its expenses come in."""


CATEGORIES = Listing(
    name="categories.list",
    query=CATEGORY,
    find=Find(
        words=(LedgerAccount.category, LedgerAccount.name),
        text="Words of category and name, in any case.",
    ),
    orders={"category": (CATEGORY_WORD,)},
    columns=("category", "name"),
)

ACCOUNTS = Listing(
    name="accounts.list",
    query=select(LedgerAccount),
    filters={
        "kind": many(LedgerAccount.kind),
        "currency": many(LedgerAccount.currency, Currency),
        "fund_id": many(LedgerAccount.fund_id),
        "is_active": flag(LedgerAccount.is_active),
    },
    find=Find(
        words=(LedgerAccount.code, LedgerAccount.name), text="Words of code and name, in any case."
    ),
    orders={
        "code": (LedgerAccount.code, LedgerAccount.id),
        "newest": (LedgerAccount.id.desc(),),
    },
    columns=("code", "name", "kind", "currency", "balance", "held", "is_active"),
)


def categories(session: Session, *, among: Collection[str]) -> set[str]:
    """The given names that are categories of the company."""
    found = session.execute(
        CATEGORY.where(LedgerAccount.category.in_(among)), execution_options=db.PREPARED
    )
    return {row.category for row in found}


def get(session: Session, *, account_id: UUID) -> LedgerAccount:
    """One account of the company.

    Raises:
        AccountNotFound: none such.
    """
    account = session.execute(
        select(LedgerAccount).where(LedgerAccount.id == account_id)
    ).scalar_one_or_none()
    if account is None:
        raise AccountNotFound
    return account


def _is(column: ColumnElement[object], value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _check_qualifier(kind: AccountKind, owner: Mapping[str, object]) -> None:
    given = {name for name, value in owner.items() if value is not None}
    qualifier = PLAN[kind].qualifier
    wanted = {qualifier} if qualifier is not None else set()
    optional = {"category"} if kind in FREE_KINDS else set()
    if not wanted <= given <= wanted | optional:
        raise ValueError(f"an account of kind {kind} is told by {wanted or 'nothing'}, not {given}")


def _open(
    session: Session,
    *,
    company_id: UUID,
    kind: AccountKind,
    currency: str,
    fund_id: UUID | None = None,
    provider_account_id: UUID | None = None,
    party_id: UUID | None = None,
    category: str | None = None,
    is_code_taken: bool = False,
) -> None:
    plan = PLAN[kind]
    account_id = new_id()
    code, name = plan.number, plan.name
    if fund_id is not None:
        suffix: str | None = session.get_one(Fund, fund_id).code
    elif provider_account_id is not None:
        suffix = session.get_one(ProviderAccount, provider_account_id).code
    else:
        suffix = category
    if suffix is not None:
        code, name = f"{code}.{suffix}", f"{name}: {suffix.replace('_', ' ')}"
    if party_id is not None:
        # By id, not by name: the person may have to be forgotten, the account never.
        code = f"{code}.{party_id}"
    if is_code_taken:
        # Somebody gave our number to an account of another purpose: a fact still finds its place.
        code = f"{code}.{account_id}"
    session.execute(
        insert(LedgerAccount)
        .values(
            id=account_id,
            company_id=company_id,
            code=code,
            name=name,
            kind=kind,
            currency=currency,
            fund_id=fund_id,
            provider_account_id=provider_account_id,
            party_id=party_id,
            category=category,
        )
        .on_conflict_do_nothing()
    )
