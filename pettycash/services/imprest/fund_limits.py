"""A fund's limits, floors and targets, which two people change (control.md §6)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund
from pettycash.models.operations import Change
from pettycash.runtime import errors, money
from pettycash.runtime.money import Currency
from pettycash.services.foundation import security_log, visibility
from pettycash.services.foundation.permissions import FINANCE_OFFICERS
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import funds, replenishments
from pettycash.services.imprest.funds.keeping import AMOUNTS
from pettycash.services.operations import changes

KIND = "fund_limits"
UNLIMITED = ("maximum_balance", "cash_limit")
"""Limits that a fund may do without: null."""


def _read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    del now
    fund = None if proposal.object_id is None else session.get(Fund, proposal.object_id)
    if fund is None:
        raise visibility.FundNotFound
    values = _parsed(fund, proposal.payload)
    funds.check_limits(fund, values)
    return changes.ChangeProposal(object_id=fund.id, payload=_wire(values, fund))


def _parsed(fund: Fund, payload: Mapping[str, Any]) -> dict[str, Decimal | None]:
    values: dict[str, Decimal | None] = {}
    wrong = {name: ["Unknown field."] for name in payload if name not in AMOUNTS}
    for name, value in payload.items():
        try:
            if name in AMOUNTS:
                is_none = value is None and name in UNLIMITED
                values[name] = (
                    None if is_none else money.parse(value, Currency(fund.currency), zero=True)
                )
        except errors.RuleViolation as refusal:
            wrong[name] = [refusal.detail]
    if wrong or not values:
        raise funds.InvalidFund("Limits are proposed by name, as amounts.", errors=wrong)
    return values


def _wire(values: Mapping[str, Decimal | None], fund: Fund) -> dict[str, str | None]:
    return {
        name: None if value is None else money.text(value, fund.currency)
        for name, value in values.items()
    }


def _apply(uow: Uow, change: Change) -> None:
    assert change.object_id is not None
    fund = funds.locked(uow, fund_id=change.object_id)
    values = _parsed(fund, change.payload)
    old = _wire({name: getattr(fund, name) for name in values}, fund)
    funds.update(uow.session, fund=fund, changes=values, now=uow.now)
    replenishments.sweep(uow.session, fund_id=fund.id, now=uow.now)
    security_log.record(
        uow.session,
        event="fund.limits_changed",
        outcome="ok",
        detail={"fund_id": str(fund.id), "old": old, "new": change.payload},
        actor=uow.actor,
    )


def _before(session: Session, change: Change) -> dict[str, Any]:
    fund = session.get_one(Fund, change.object_id)
    return _wire({name: getattr(fund, name) for name in change.payload}, fund)


changes.register(
    KIND,
    proposers=FINANCE_OFFICERS,
    confirmers=FINANCE_OFFICERS,
    apply=_apply,
    read=_read,
    before=_before,
    alerts=True,
)
