"""Stores: a cash drawer, or a share of one provider account."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, ProviderAccount, Store, StoreKind
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.runtime import db, errors
from pettycash.services.ledger import accounts

CHANGEABLE = frozenset({"name", "is_active"})


class StoreNotFound(errors.NotFound):
    """There is no such store within your scope."""

    code = "store.not_found"


class StoreExists(errors.Conflict):
    """A store of this code exists, or the fund has its share of this provider account already."""

    code = "store.exists"


class InvalidStore(errors.RuleViolation):
    """The kind of store, its provider account and the fund's currency do not fit together."""

    code = "store.invalid"


class StoreNotEmpty(errors.Conflict):
    """A store can be closed only when it is empty and no money of it is held."""

    code = "store.not_empty"


def create_store(
    session: Session,
    *,
    fund: Fund,
    code: str,
    name: str,
    kind: StoreKind,
    provider_account_id: UUID | None = None,
) -> Store:
    """Add an empty store to a locked fund, with its own ledger account.

    Raises:
        InvalidStore: the fund is closed; a drawer has no provider account and a share has one, in
            the fund's currency and active.
        StoreExists: the code is taken, or the fund has a share of this account.
    """
    if not fund.is_active:
        raise InvalidStore("The fund is closed.")
    _check_provider(session, fund=fund, kind=kind, provider_account_id=provider_account_id)
    account = LedgerAccount(
        id=new_id(),
        company_id=fund.company_id,
        code=f"{accounts.PLAN[AccountKind.STORE].number}.{code}",
        name=name,
        kind=AccountKind.STORE,
        currency=fund.currency,
        fund_id=fund.id,
        provider_account_id=provider_account_id,
        floor=fund.minimum_balance,
        is_active=True,
    )
    store = Store(
        id=new_id(),
        company_id=fund.company_id,
        fund_id=fund.id,
        code=code,
        name=name,
        kind=kind,
        account_id=account.id,
        provider_account_id=provider_account_id,
        currency=fund.currency,
        is_active=True,
        version=1,
    )
    try:
        with session.begin_nested():
            session.add(account)
            session.flush()  # the store refers to it
            session.add(store)
            session.flush()  # a taken code is told here
    except IntegrityError as error:
        if db.sqlstate(error) == "23505":
            raise StoreExists from error
        raise
    return store


def store(session: Session, *, fund_id: UUID, store_id: UUID) -> Store:
    """One store of a fund.

    Raises:
        StoreNotFound: the fund has none such.
    """
    found = session.execute(
        select(Store).where(Store.id == store_id, Store.fund_id == fund_id)
    ).scalar_one_or_none()
    if found is None:
        raise StoreNotFound
    return found


def locked_store(session: Session, *, fund_id: UUID, store_id: UUID) -> Store:
    """One store of a locked fund, for a change.

    Raises:
        StoreNotFound: the fund has none such.
    """
    store(session, fund_id=fund_id, store_id=store_id)
    return session.get_one(
        Store, store_id, with_for_update={"key_share": True}, populate_existing=True
    )


def update_store(session: Session, *, store: Store, changes: Mapping[str, Any]) -> Store:
    """Change a locked store's name or close it; its account follows.

    The store's fund is locked with its accounts (`funds.locked`), so no hold slips in between the
    look at the balance and the closing.

    Raises:
        StoreNotEmpty: it is to be closed and is not empty.
        InvalidStore: the field can't be changed.
    """
    strangers = sorted(set(changes) - CHANGEABLE)
    if strangers:
        raise InvalidStore(errors={each: ["It can't be changed."] for each in strangers})
    account = session.get_one(
        LedgerAccount, store.account_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if changes.get("is_active") is False and (account.balance != 0 or account.held != 0):
        raise StoreNotEmpty
    for each, value in changes.items():
        setattr(store, each, value)
        setattr(account, each, value)
    store.version += 1
    return store


def _check_provider(
    session: Session, *, fund: Fund, kind: StoreKind, provider_account_id: UUID | None
) -> None:
    if kind is StoreKind.DRAWER:
        if provider_account_id is not None:
            raise InvalidStore(
                errors={"provider_account_id": ["A drawer has no provider account."]}
            )
        return
    if provider_account_id is None:
        raise InvalidStore(errors={"provider_account_id": ["A share needs a provider account."]})
    account = session.get(ProviderAccount, provider_account_id)
    if account is None or not account.is_active:
        raise InvalidStore(errors={"provider_account_id": ["There is no such active account."]})
    if account.currency != fund.currency:
        raise InvalidStore(
            errors={"provider_account_id": [f"The account is kept in {account.currency}."]}
        )
    taken = session.execute(
        select(Store.id).where(
            Store.fund_id == fund.id,
            Store.provider_account_id == provider_account_id,
            Store.is_active,
        )
    ).first()
    if taken is not None:
        raise StoreExists
