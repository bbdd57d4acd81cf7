"""Lists of funds and of the stores that their money lies in."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund, Store
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import (
    Condition,
    Find,
    Listing,
    exact,
    flag,
    many,
    since,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest.funds.balances import sums


class Level(StrEnum):
    """How a fund stands: `low` below its reorder level, `critical` below half of it."""

    OK = "ok"
    LOW = "low"
    CRITICAL = "critical"


def _level(available: Decimal | int, fund: Fund) -> Level:
    if available >= fund.reorder_level:
        return Level.OK
    return Level.LOW if available * 2 >= fund.reorder_level else Level.CRITICAL


def to_response(session: Session, found: Sequence[Fund]) -> list[dict[str, Any]]:
    """Funds with what they hold."""
    totals = sums(session, [each.id for each in found])
    answers = []
    for fund in found:
        balance, held = totals.get(fund.id, (0, 0))
        answers.append(
            {column.key: getattr(fund, column.key) for column in Fund.__mapper__.column_attrs}
            | {
                "current_balance": balance,
                "available": balance - held,
                "needs_replenishment": balance - held < fund.reorder_level,
                "level": _level(balance - held, fund),
            }
        )
    return answers


def _shown(uow: Uow, rows: Sequence[Fund]) -> list[dict[str, Any]]:
    return to_response(uow.session, rows)


FUNDS = Listing(
    name="funds.list",
    query=select(Fund),
    scope=visibility.funds,
    filters={
        "currency": many(Fund.currency, Currency),
        **{name: many(getattr(Fund, name)) for name in ("region_id", "branch_id", "department_id")},
        "custodian_id": exact(Fund.custodian_id),
        "is_active": flag(Fund.is_active),
        "updated_since": since(Fund.updated_at),
    },
    find=Find(words=(Fund.code, Fund.name), text="Words of code and name, in any case."),
    orders={"code": (Fund.code, Fund.id), "newest": (Fund.id.desc(),)},
    show=_shown,
    columns=(
        "code",
        "name",
        "currency",
        "custodian_id",
        "alternate_custodian_id",
        "target_balance",
        "current_balance",
        "available",
        "reorder_level",
        "needs_replenishment",
        "is_active",
    ),
    people=("custodian_id", "alternate_custodian_id"),
)


def _of_funds(actor: Actor) -> Condition:
    return Store.fund_id.in_(select(Fund.id).where(visibility.funds(actor)))


STORES = Listing(
    name="stores.list",
    query=select(Store),
    scope=_of_funds,
    filters={
        "fund_id": many(Store.fund_id),
        "kind": many(Store.kind),
        "provider_account_id": exact(Store.provider_account_id),
        "is_active": flag(Store.is_active),
        "updated_since": since(Store.updated_at),
    },
    find=Find(words=(Store.code, Store.name), text="Words of code and name, in any case."),
    orders={"code": (Store.code, Store.id), "newest": (Store.id.desc(),)},
    columns=("code", "name", "kind", "fund_id", "provider_account_id", "is_active"),
)
