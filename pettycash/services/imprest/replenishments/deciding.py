"""Approving, rejecting, cancelling: the amount is reckoned anew when it is approved."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import (
    Fund,
    Replenishment,
    ReplenishmentStatus,
    StoreKind,
)
from pettycash.models.releases import EndCause
from pettycash.runtime import errors
from pettycash.runtime.crash_points import crash_point
from pettycash.services import releases
from pettycash.services.foundation import decisions
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, funds, notices
from pettycash.services.imprest.replenishments import ordinary
from pettycash.services.imprest.replenishments.creation import ASKED, NothingToReplenish
from pettycash.services.imprest.replenishments.funding import subject
from pettycash.services.imprest.replenishments.scope import locked, visible


class ReplenishmentNeedsCfo(errors.KeptApart):
    """The replenishment is not ordinary; the cfo, or a named stand-in, must approve it."""

    code = "replenishment.cfo_required"


class JudgedIt(errors.KeptApart):
    """You decided the outcome of one of its vouchers; another person must approve it."""

    code = "replenishment.judged"


class DrawerTooSmall(errors.RuleViolation):
    """The drawer would hold more than the fund allows in it; choose another store or amount."""

    code = "replenishment.drawer_too_small"


def approve(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """Approve a pending replenishment for what the fund needs now.

    The group finance manager approves what fills the float, is vouched for and has an ordinary
    story; the cfo anything else, or who stands in where no cfo may. A requester's own amount stands
    as it was asked.

    Raises:
        ReplenishmentNotFound: none such within scope.
        AlreadyDecided, OwnProposal, NotADecider: see `decisions.accept`.
        AboutYourself: the approver keeps the fund.
        JudgedIt: the approver judged one of its vouchers.
        NothingToReplenish: the fund has filled up meanwhile; cancel it.
        ReplenishmentNeedsCfo: only the cfo may approve this, or who stands in.
        DrawerTooSmall: the drawer would hold too much.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    decisions.accept(uow, REPLENISHMENT, found)
    amount, state = _needed(uow.session, found)
    asked = found.identity.get(ASKED)
    found.approved_amount = amount
    found.identity = state.as_json() | ({ASKED: asked} if asked is not None else {})
    found.move_to(ReplenishmentStatus.APPROVED, at=uow.now)
    notices.approved(uow.session, found)
    crash_point("replenishments.approved")
    return found


def _needed(session: Session, found: Replenishment) -> tuple[Decimal, float_identity.Identity]:
    """The amount that an approval would be about now, and what it is due to."""
    state = float_identity.identity(session, found.fund_id)
    asked = found.identity.get(ASKED)
    return state.requested if asked is None else Decimal(asked), state


def _check_approval(uow: Uow, found: Replenishment) -> None:
    """Refuse an approval by whom it benefits, of what is not theirs to approve, or is not due."""
    session, actor, now = uow.session, uow.actor, uow.now
    if funds.is_keeper(session.get_one(Fund, found.fund_id), actor.user_id):
        raise decisions.AboutYourself(
            "You keep the fund and would receive the money: another person must approve it."
        )
    story = ordinary.story(session, found, now=now)
    if actor.user_id in story.judges:
        raise JudgedIt
    amount, state = _needed(session, found)
    if amount <= 0:
        raise NothingToReplenish
    is_vouched = amount <= state.requested and amount <= state.vouched and state.difference == 0
    if not (is_vouched and not story.reasons and actor.has(Role.GROUP_FINANCE_MANAGER)):
        _check_approver(uow, found, story=story)
    _check_drawer(session, found, amount)


def reject(uow: Uow, *, replenishment_id: UUID, reason: str) -> Replenishment:
    """Say no; the fund asks again by itself only after a while.

    Raises:
        ReplenishmentNotFound: none such within scope.
        AlreadyDecided, OwnProposal, NotADecider, ReasonMissing: see `decisions.refuse`.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    decisions.refuse(uow, REPLENISHMENT, found, reason=reason)
    found.move_to(ReplenishmentStatus.REJECTED, at=uow.now)
    return found


def cancel(uow: Uow, *, replenishment_id: UUID, reason: str) -> Replenishment:
    """Withdraw a replenishment that was not funded; whatever code was out for it is void.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it was funded, or is over.
        ReasonMissing: no reason.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    check_cancelling(found)
    reason = decisions.required(reason)
    was_approved = found.status is ReplenishmentStatus.APPROVED
    found.move_to(ReplenishmentStatus.CANCELLED, at=uow.now)
    if was_approved:
        releases.void(
            uow.session, subject=subject(uow.session, found), cause=EndCause.CHANGED, now=uow.now
        )
    found.cancelled_by = uow.actor.user_id
    found.cancelled_at = uow.now
    found.decision_reason = reason
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


REPLENISHMENT = decisions.declare(
    DecisionKind(
        name="replenishments_to_approve",
        model=Replenishment,
        waits={"status": ReplenishmentStatus.PENDING},
        proposing="funds.replenish",
        accepting="replenishments.approve",
        refusing="replenishments.reject",
        check_accepting=_check_approval,
        asked=visible,
        link="/api/replenishments/{id}/",
        what=lambda found: "automatic" if found.auto_triggered else "by_hand",
        amount=lambda found: found.requested_amount,
    )
)
