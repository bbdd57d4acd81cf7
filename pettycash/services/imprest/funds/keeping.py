"""Opening a fund and changing its limits."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy import update as sql_update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import Branch, Department, Region
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, Replenishment, ReplenishmentStatus, Store
from pettycash.models.ledger import LedgerAccount
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest.funds.balances import balance

AMOUNTS = ("target_balance", "reorder_level", "minimum_balance", "maximum_balance", "cash_limit")

CHANGEABLE = frozenset({"name", "is_active", *AMOUNTS})
"""Fields that may change: limits by two people; custodians likewise, place and currency never."""


class FundExists(errors.Conflict):
    """A fund of this code exists, or this unit has an active fund in this currency."""

    code = "fund.exists"


class InvalidFund(errors.RuleViolation):
    """The limits of the fund contradict each other, or its unit does not exist."""

    code = "fund.invalid"


class FundInUse(errors.Conflict):
    """A fund can be closed only when its stores are empty and no money is held or in transit."""

    code = "fund.in_use"


def create(
    session: Session,
    *,
    code: str,
    name: str,
    currency: Currency,
    target_balance: Decimal,
    reorder_level: Decimal,
    region_id: UUID | None = None,
    branch_id: UUID | None = None,
    department_id: UUID | None = None,
    minimum_balance: Decimal = Decimal(0),
    maximum_balance: Decimal | None = None,
    cash_limit: Decimal | None = None,
) -> Fund:
    """Open a fund without stores, money or custodian; each of these is a step of its own.

    A branch brings its region, so that one place is one place however it was named.

    Raises:
        InvalidFund: limits that contradict each other, or a place that does not exist.
        FundExists: the code is taken, or the place has an active fund in this currency.
    """
    fund = Fund(
        id=new_id(),
        company_id=session.info["scope"].company_id,
        code=code,
        name=name,
        currency=currency.value,
        region_id=_region(session, region_id=region_id, branch_id=branch_id),
        branch_id=branch_id,
        department_id=department_id,
        target_balance=target_balance,
        reorder_level=reorder_level,
        minimum_balance=minimum_balance,
        maximum_balance=maximum_balance,
        cash_limit=cash_limit,
        is_active=True,
        version=1,
    )
    if department_id is not None and session.get(Department, department_id) is None:
        raise InvalidFund(errors={"department_id": ["There is no such department."]})
    _check_limits(fund)
    _write(session, fund)
    return fund


def locked(uow: Uow, *, fund_id: UUID) -> Fund:
    """A fund within the actor's scope, locked: its stores' accounts first, as postings do.

    Raises:
        FundNotFound: none such within scope.
    """
    visibility.fund(uow, fund_id=fund_id)
    uow.session.execute(
        select(LedgerAccount.id)
        .where(LedgerAccount.id.in_(select(Store.account_id).where(Store.fund_id == fund_id)))
        .order_by(LedgerAccount.id)
        .with_for_update(key_share=True)
    )
    fund = db.lock(uow.session, Fund, fund_id)
    if fund is None:
        raise visibility.FundNotFound
    return fund


def update(session: Session, *, fund: Fund, changes: Mapping[str, Any], now: datetime) -> Fund:
    """Change a locked fund's name, limits or whether it is active.

    A raised minimum is the floor of every store from now on; a store that lies below it by then
    gets a case, not a refusal. The caller considers a replenishment afterwards.

    Raises:
        InvalidFund: the limits contradict each other, or the field can't be changed here.
        FundInUse: it is to be closed and is not empty.
        FundExists: it is to be opened again and its place has another active fund.
    """
    del now
    strangers = sorted(set(changes) - CHANGEABLE)
    if strangers:
        raise InvalidFund(errors={each: ["It can't be changed here."] for each in strangers})
    if changes.get("is_active") is False and fund.is_active:
        _check_unused(session, fund)
    for each, value in changes.items():
        setattr(fund, each, value)
    _check_limits(fund)
    fund.version += 1
    _write(session, fund)
    if not fund.is_active:
        _close_stores(session, fund)
    if "minimum_balance" in changes:
        session.execute(
            sql_update(LedgerAccount)
            .where(LedgerAccount.id.in_(select(Store.account_id).where(Store.fund_id == fund.id)))
            .values(floor=fund.minimum_balance),
            execution_options={"synchronize_session": "fetch"},
        )
    return fund


def check_limits(fund: Fund, values: Mapping[str, Decimal | None]) -> None:
    """Refuse limits that could not hold together with the others of the fund.

    Raises:
        InvalidFund: they contradict each other.
    """
    limits = {name: values.get(name, getattr(fund, name)) for name in AMOUNTS}
    _check_limits(Fund(currency=fund.currency, **limits))


def _close_stores(session: Session, fund: Fund) -> None:
    accounts = select(Store.account_id).where(Store.fund_id == fund.id)
    for statement in (
        sql_update(LedgerAccount).where(LedgerAccount.id.in_(accounts)),
        sql_update(Store).where(Store.fund_id == fund.id),
    ):
        session.execute(
            statement.values(is_active=False), execution_options={"synchronize_session": "fetch"}
        )


def _write(session: Session, fund: Fund) -> None:
    try:
        with session.begin_nested():
            session.add(fund)
            session.flush()  # the unique indexes decide between two who open a fund at once
    except IntegrityError as error:
        if db.sqlstate(error) == "23505":
            raise FundExists from error
        raise


def _region(session: Session, *, region_id: UUID | None, branch_id: UUID | None) -> UUID | None:
    if branch_id is None:
        if region_id is not None and session.get(Region, region_id) is None:
            raise InvalidFund(errors={"region_id": ["There is no such region."]})
        return region_id
    branch = session.get(Branch, branch_id)
    if branch is None:
        raise InvalidFund(errors={"branch_id": ["There is no such branch."]})
    if region_id not in (None, branch.region_id):
        raise InvalidFund(errors={"region_id": ["The branch lies in another region."]})
    return branch.region_id


def _check_limits(fund: Fund) -> None:
    wrong: dict[str, list[str]] = {}
    for name in AMOUNTS:
        value: Decimal | None = getattr(fund, name)
        if value is None:
            continue
        try:
            money.checked(value, Currency(fund.currency))
        except money.InvalidAmount as error:
            wrong[name] = [error.detail]
    if fund.reorder_level >= fund.target_balance:
        wrong["reorder_level"] = ["It lies below the target."]
    if fund.maximum_balance is not None and fund.maximum_balance < fund.target_balance:
        wrong["maximum_balance"] = ["It is the target at least."]
    if fund.minimum_balance >= fund.target_balance:
        wrong["minimum_balance"] = ["It lies below the target."]
    if wrong:
        raise InvalidFund(errors=wrong)


def _check_unused(session: Session, fund: Fund) -> None:
    found = balance(session, fund.id)
    under_way = session.execute(
        select(Replenishment.id).where(
            Replenishment.fund_id == fund.id,
            Replenishment.status.in_(
                (
                    ReplenishmentStatus.PENDING,
                    ReplenishmentStatus.APPROVED,
                    ReplenishmentStatus.FUNDED,
                )
            ),
        )
    ).first()
    if any(each.balance != 0 or each.held != 0 for each in found.stores) or under_way:
        raise FundInUse
