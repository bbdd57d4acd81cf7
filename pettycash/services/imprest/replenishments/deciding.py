"""Approving, rejecting, cancelling: the amount is reckoned anew when it is approved."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import (
    Fund,
    IllegalReplenishmentState,
    Replenishment,
    ReplenishmentStatus,
    StoreKind,
)
from pettycash.models.releases import EndCause
from pettycash.runtime import errors
from pettycash.runtime.crash_points import crash_point
from pettycash.services import releases
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, funds
from pettycash.services.imprest.replenishments import ordinary
from pettycash.services.imprest.replenishments.creation import ASKED, NothingToReplenish
from pettycash.services.imprest.replenishments.funding import subject
from pettycash.services.imprest.replenishments.scope import locked


class OwnReplenishment(errors.NotAllowed):
    """The requester and the custodians of a replenishment can't decide on it."""

    code = "replenishment.own_request"


class ReplenishmentNeedsCfo(errors.NotAllowed):
    """The replenishment is not ordinary; the cfo, or a named stand-in, must approve it."""

    code = "replenishment.cfo_required"


class JudgedIt(errors.NotAllowed):
    """You decided the outcome of one of its vouchers; another person must approve it."""

    code = "replenishment.judged"


class DrawerTooSmall(errors.RuleViolation):
    """The drawer would hold more than the fund allows in it; choose another store or amount."""

    code = "replenishment.drawer_too_small"


class RejectionNeedsReason(errors.RuleViolation):
    """A rejection needs a reason."""

    code = "replenishment.reason_required"


def approve(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """Approve a pending replenishment for what the fund needs now.

    The group finance manager approves what fills the float, is vouched for and has an ordinary
    story; the cfo anything else, or who stands in where no cfo may. A requester's own amount stands
    as it was asked.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it is not pending.
        OwnReplenishment: the approver asked for it, or keeps the fund.
        JudgedIt: the approver judged one of its vouchers.
        NothingToReplenish: the fund has filled up meanwhile; cancel it.
        ReplenishmentNeedsCfo: only the cfo may approve this, or who stands in.
        DrawerTooSmall: the drawer would hold too much.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    amount, state = check_approval(uow, found)
    asked = found.identity.get(ASKED)
    found.approved_amount = amount
    found.approved_by = uow.actor.user_id
    found.approved_at = uow.now
    found.identity = state.as_json() | ({ASKED: asked} if asked is not None else {})
    found.move_to(ReplenishmentStatus.APPROVED, at=uow.now)
    crash_point("replenishments.approved")
    return found


def check_approval(uow: Uow, found: Replenishment) -> tuple[Decimal, float_identity.Identity]:
    """Refuse who may not approve a replenishment as it stands; the amount, and what it is due to.

    Raises:
        as `approve`.
    """
    session, actor = uow.session, uow.actor
    if found.status is not ReplenishmentStatus.PENDING:
        raise IllegalReplenishmentState(f"The replenishment is {found.status.value}.")
    if found.requested_by == actor.user_id:
        raise OwnReplenishment
    if funds.is_keeper(session.get_one(Fund, found.fund_id), actor.user_id):
        raise OwnReplenishment(
            "You keep the fund and would receive the money: another person must approve it."
        )
    story = ordinary.story(session, found, now=uow.now)
    if actor.user_id in story.judges:
        raise JudgedIt
    state = float_identity.identity(session, found.fund_id)
    asked = found.identity.get(ASKED)
    amount = state.requested if asked is None else Decimal(asked)
    if amount <= 0:
        raise NothingToReplenish
    is_vouched = amount <= state.requested and amount <= state.vouched and state.difference == 0
    if not (is_vouched and not story.reasons and actor.has(Role.GROUP_FINANCE_MANAGER)):
        _check_approver(uow, found, story=story)
    _check_drawer(session, found, amount)
    return amount, state


def reject(uow: Uow, *, replenishment_id: UUID, reason: str) -> Replenishment:
    """Say no; the fund asks again by itself only after a while.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it is not pending.
        OwnReplenishment: one's own request is cancelled, not rejected.
        RejectionNeedsReason: no reason.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    check_rejection(found, actor=uow.actor)
    if not reason.strip():
        raise RejectionNeedsReason
    found.move_to(ReplenishmentStatus.REJECTED, at=uow.now)
    found.rejected_by = uow.actor.user_id
    found.rejected_at = uow.now
    found.decision_reason = reason.strip()
    return found


def check_rejection(found: Replenishment, *, actor: Actor) -> None:
    """Refuse who may not reject a replenishment as it stands.

    Raises:
        OwnReplenishment: one's own request is cancelled, not rejected.
        IllegalReplenishmentState: it is not pending.
    """
    if found.requested_by == actor.user_id:
        raise OwnReplenishment("You can cancel your own request, but not reject it.")
    found.check_step(ReplenishmentStatus.REJECTED)


def cancel(uow: Uow, *, replenishment_id: UUID, reason: str) -> Replenishment:
    """Withdraw a replenishment that was not funded; whatever code was out for it is void.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it was funded, or is over.
        RejectionNeedsReason: no reason.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    check_cancelling(found)
    if not reason.strip():
        raise RejectionNeedsReason
    was_approved = found.status is ReplenishmentStatus.APPROVED
    found.move_to(ReplenishmentStatus.CANCELLED, at=uow.now)
    if was_approved:
        releases.void(
            uow.session, subject=subject(uow.session, found), cause=EndCause.CHANGED, now=uow.now
        )
    found.cancelled_by = uow.actor.user_id
    found.cancelled_at = uow.now
    found.decision_reason = reason.strip()
    found.executor_id = None
    return found


def check_cancelling(found: Replenishment) -> None:
    """Refuse to withdraw a replenishment that was funded, or is over.

    Raises:
        IllegalReplenishmentState: see `cancel`.
    """
    found.check_step(ReplenishmentStatus.CANCELLED)


def _check_approver(uow: Uow, found: Replenishment, *, story: ordinary.Story) -> None:
    """The cfo, or who stands in where no cfo may."""
    if uow.actor.has(Role.CFO):
        return
    role = ordinary.approving_role(uow.session, found, judges=story.judges, now=uow.now)
    if role is None:
        is_theirs = uow.actor.is_escalation_approver
        who = "the company's escalation approver"
    else:
        is_theirs, who = uow.actor.has(role), f"the {role.value}"
    if not is_theirs:
        reasons = "; ".join(story.reasons) or "it is beyond the float or the vouchers"
        raise ReplenishmentNeedsCfo(f"It must be approved by {who}: {reasons}.")


def _check_drawer(session: Session, found: Replenishment, amount: Decimal) -> None:
    limit = session.get_one(Fund, found.fund_id).maximum_balance
    stores = {each.store_id: each for each in funds.balance(session, found.fund_id).stores}
    store = stores[found.store_id]
    if store.kind is StoreKind.DRAWER and limit is not None and store.balance + amount > limit:
        raise DrawerTooSmall
