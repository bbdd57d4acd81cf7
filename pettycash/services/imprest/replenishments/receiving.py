"""Receiving: the fund's keeper counts what came; what did not come stays in transit, as a case."""

from decimal import Decimal
from uuid import UUID

from pettycash.models.imprest import (
    Fund,
    IllegalReplenishmentState,
    Replenishment,
    ReplenishmentStatus,
)
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import errors, money
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.money import Currency
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import funds
from pettycash.services.imprest.replenishments import ordinary
from pettycash.services.imprest.replenishments.creation import InvalidReplenishment, consider, sweep
from pettycash.services.imprest.replenishments.scope import ReplenishmentNotFound, locked
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.operations import cases


class NotTheKeeper(errors.KeptApart):
    """Only a custodian of the fund who had no other part in the replenishment may receive it."""

    code = "replenishment.not_the_keeper"


class MoreThanFunded(errors.RuleViolation):
    """The amount exceeds what was funded and is not yet received."""

    code = "replenishment.more_than_funded"


class NothingMissing(errors.Conflict):
    """All of the replenishment has been received or given up."""

    code = "replenishment.nothing_missing"


def receive(uow: Uow, *, replenishment_id: UUID, amount: Decimal) -> Replenishment:
    """Record what reached the store: all of it, a part, or later the rest of a short delivery.

    Raises:
        ReplenishmentNotFound: none such within scope.
        NotTheKeeper: see the class.
        IllegalReplenishmentState: it is not funded.
        NothingMissing: it was received in full.
        MoreThanFunded: the amount is more than what is in transit.
        InvalidReplenishment: the amount is not one of the fund's currency.
    """
    now = uow.now
    found = locked(uow, replenishment_id=replenishment_id)
    missing = check_receipt(uow, found)
    try:
        money.checked(amount, Currency(found.currency))
    except money.InvalidAmount as error:
        raise InvalidReplenishment(errors={"amount": [error.detail]}) from error
    if amount > missing:
        raise MoreThanFunded(f"{money.text(missing, found.currency)} is in transit.")
    total = (found.received_amount or Decimal(0)) + amount
    found.received_amount = total
    if found.status is ReplenishmentStatus.FUNDED:
        found.received_by = uow.actor.user_id
        found.received_at = now
        found.move_to(ReplenishmentStatus.RECEIVED, at=now)
    else:
        found.version += 1
    crash_point("replenishments.receiving")
    posting.post(
        uow.session,
        [
            posting_rules.top_up_received(
                uow.session,
                replenishment=found,
                amount=amount,
                total_received=total,
                occurred_at=now,
                by=uow.actor.user_id,
            )
        ],
    )
    _watch_delivery(uow, found)
    sweep(uow.session, fund_id=found.fund_id, now=now, store_id=found.store_id)
    crash_point("replenishments.received")
    return found


def check_receipt(uow: Uow, found: Replenishment) -> Decimal:
    """Refuse who may not receive a replenishment as it stands; the amount that is in transit.

    Raises:
        NotTheKeeper, IllegalReplenishmentState, NothingMissing: see `receive`.
    """
    fund = uow.session.get_one(Fund, found.fund_id)
    if not funds.is_keeper(fund, uow.actor.user_id):
        raise NotTheKeeper
    if uow.actor.user_id in (found.approved_by, found.funded_by):
        raise NotTheKeeper("You approved or funded it, so the other keeper receives it.")
    if uow.actor.user_id in ordinary.story(uow.session, found, now=uow.now).judges:
        raise NotTheKeeper("You judged one of its vouchers, so the other keeper receives it.")
    if found.status not in (ReplenishmentStatus.FUNDED, ReplenishmentStatus.RECEIVED):
        raise IllegalReplenishmentState(f"The replenishment is {found.status.value}.")
    missing = _missing(found)
    if missing == 0:
        raise NothingMissing
    return missing


def write_off_rest(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """Two people agreed that the rest will not come: it leaves the float for differences pending.

    Called when the case of a short delivery is resolved so; the case is closed by the caller.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: nothing of it was received yet.
        NothingMissing: nothing is in transit.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    if found.status is not ReplenishmentStatus.RECEIVED:
        raise IllegalReplenishmentState(f"The replenishment is {found.status.value}.")
    missing = _missing(found)
    if missing == 0:
        raise NothingMissing
    found.lost_amount = missing
    found.version += 1
    posting.post(
        uow.session,
        [
            posting_rules.transit_loss(
                uow.session,
                replenishment=found,
                amount=missing,
                occurred_at=uow.now,
                by=uow.actor.user_id,
            )
        ],
    )
    consider(uow.session, fund_id=found.fund_id, now=uow.now, store_id=found.store_id)
    crash_point("replenishments.written_off")
    return found


def in_transit(found: Replenishment) -> Decimal:
    """What was funded and neither received nor given up."""
    return Decimal(0) if found.funded_at is None else _missing(found)


def _missing(found: Replenishment) -> Decimal:
    funded = found.approved_amount
    if funded is None:
        raise ReplenishmentNotFound
    return funded - (found.received_amount or Decimal(0)) - found.lost_amount


def _watch_delivery(uow: Uow, found: Replenishment) -> None:
    missing = _missing(found)
    if missing == 0:
        cases.close(
            uow.session,
            kind=CaseKind.SHORT_DELIVERY,
            object_type="replenishment",
            object_id=found.id,
            resolved_by=uow.actor.user_id,
            note="The rest was received.",
            now=uow.now,
        )
        return
    shown = {
        "funded": found.approved_amount,
        "received": found.received_amount,
        "missing": missing,
    }
    cases.open_case(
        uow.session,
        kind=CaseKind.SHORT_DELIVERY,
        object_type="replenishment",
        object_id=found.id,
        summary=f"{found.number}: {found.currency} {money.text(missing, found.currency)} missing.",
        evidence={
            "currency": found.currency,
            "bank_reference": found.bank_reference,
            **{
                name: money.text(value or Decimal(0), found.currency)
                for name, value in shown.items()
            },
        },
        severity=Severity.SEVERE,
    )
