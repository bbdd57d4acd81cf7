"""Treasury takes an approved requisition over and makes its payments (domain.md §3, §4).

Who validates is the payment's maker, so that somebody else releases it; in a company that calls
itself a small team, validating unchanged leaves the requester as the maker. Where nobody would be
left to release the money, validating is refused and says who is missing.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, Role, User
from pettycash.models.approvals import TrailAction
from pettycash.models.payments import Payment
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import errors, money
from pettycash.services import releases
from pettycash.services.approvals import deciding, rounds, trail
from pettycash.services.foundation import (
    company_settings,
    duties,
    rail_limits,
    text_validation,
    visibility,
)
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.live_roles import holders_of
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import facts, notices
from pettycash.services.payments.creation import PaymentPart, create_for_validation
from pettycash.services.requisitions import approved_facts
from pettycash.services.requisitions.lifecycle import PartyToIt

R = RequisitionStatus


class OnHold(errors.Conflict):
    """The requisition is on hold; lift that first."""

    code = "requisition.on_hold"


class InvalidParts(errors.RuleViolation):
    """The parts are too many, or don't add up to what was approved."""

    code = "requisition.invalid_parts"


class NobodyLeft(errors.RuleViolation):
    """Nobody would be left to release the payment; the detail names who is missing."""

    code = "payment.nobody_left_to_release"
    is_logged = True


def validate(
    uow: Uow,
    *,
    requisition_id: UUID,
    digest: str,
    parts: Sequence[PaymentPart] | None = None,
    comment: str | None = None,
) -> tuple[Requisition, list[Payment]]:
    """Make the payments of an approved requisition: one for all of it, or the listed parts.

    Parts add up to the approved amount; a part's method, destination and store are the
    requisition's own where it names none.

    Raises:
        RequisitionNotFound: none such within scope.
        PartyToIt: the actor raised or approved it, or gets the money.
        IllegalRequisitionState: it does not wait for treasury.
        OnHold: treasury holds it.
        RedirectOpen: the last approver has yet to decide where it goes.
        ApprovalVoid: somebody who approved it has another duty: see `conflicts`.
        StaleDigest: what was read is not what stands there now.
        InvalidParts: they don't add up.
        NobodyLeft: nobody could release one of the payments.
        and what `payments.create_for_validation` refuses.
    """
    session = uow.session
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    check_validating(uow, requisition)
    approved = rounds.latest(session, requisition.id)
    assert approved is not None, "what waits for treasury was approved in a round"
    deciding.check_digest(session, subject=requisition, approval_round=approved, digest=digest)

    whole = [PaymentPart(amount=requisition.amount)]
    wanted = whole if parts is None else list(parts)
    _check_parts(requisition, wanted)
    small_team = company_settings.current(session).small_team
    is_unchanged = not _reshapes(requisition, wanted)
    # The maker stays open where it is the requester: no payment is ever released by them anyway.
    maker_id = None if is_unchanged and small_team else uow.actor.user_id

    requisition.move_to(R.IN_PAYMENT, at=uow.now)
    requisition.validated_at = uow.now
    requisition.validated_by = uow.actor.user_id
    made = create_for_validation(uow, requisition=requisition, parts=wanted, maker_id=maker_id)
    for payment in made:
        leave_to_releasers(session, requisition=requisition, payment=payment, now=uow.now)
    trail.write(
        session,
        requisition,
        TrailAction.VALIDATED,
        actor=uow.actor,
        role=Role.TREASURY.value,
        comment=text_validation.optional(comment, field="comment"),
        digest=approved.digest,
    )
    return requisition, made


def check_validating(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not validate a requisition as it stands.

    Raises:
        PartyToIt, IllegalRequisitionState, OnHold, RedirectOpen, ApprovalVoid: see `validate`.
    """
    known = duties.holders(uow.session, requisition_id=requisition.id)
    own = duties.others(known, Duty.MAKER).get(uow.actor.user_id)
    if own is not None:
        raise PartyToIt(duties.refusal(own, Duty.MAKER).detail)
    if requisition.status is not R.PENDING_TREASURY_VALIDATION:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} can't be validated."
        )
    if requisition.held_at is not None:
        raise OnHold(f"It is on hold: {requisition.hold_reason}")
    if requisition.open_redirect_id is not None:
        raise approved_facts.RedirectOpen
    if duties.conflicted(uow.session, known, subject_id=requisition.id):
        raise duties.ApprovalVoid


def _check_parts(requisition: Requisition, parts: Sequence[PaymentPart]) -> None:
    if not 1 <= len(parts) <= rail_limits.PARTS_MAX:
        raise InvalidParts(
            "The amount can't be split like that.",
            errors={"parts": [f"There are 1 to {rail_limits.PARTS_MAX} of them."]},
        )
    total = sum(part.amount for part in parts)
    if total != requisition.approved_amount:
        approved = money.text(requisition.amount, requisition.currency)
        raise InvalidParts(
            f"The parts don't add up to the approved {approved}.",
            errors={"parts": [f"Their sum must be {approved}."]},
        )


def _reshapes(requisition: Requisition, parts: Sequence[PaymentPart]) -> bool:
    """Whether treasury splits it or takes another way that was approved; naming the store that
    pays is part of validating."""
    (first, *more) = parts
    return bool(
        more
        or first.amount != requisition.amount
        or first.method not in (None, requisition.method)
        or first.destination not in (None, requisition.destination)
    )


def leave_to_releasers(
    session: Session, *, requisition: Requisition, payment: Payment, now: datetime
) -> None:
    """Tell those who can release a payment; refuse to leave one that nobody could.

    Raises:
        NobodyLeft: its detail names who is missing.
    """
    subject = facts.subject_of(session, payment=payment, requisition=requisition)
    left = _candidates(session, subject, now=now) - set(subject.excluded)
    if left:
        notices.made(session, payment, requisition=requisition, releasers=left)
        return
    if subject.only is not None:
        raise NobodyLeft(
            "Missing: a custodian of the fund who neither raised, approved nor made this payment"
            " nor receives it."
        )
    raise NobodyLeft(
        "Missing: a treasury officer, or else a cfo, who neither raised, approved nor made this"
        " payment nor receives it."
    )


def _candidates(
    session: Session, subject: releases.ReleaseSubject, *, now: datetime
) -> frozenset[UUID]:
    """Active people who release such things: custodians of the fund, or treasury and the cfo."""
    if subject.only is not None:
        found = session.execute(
            select(Membership.user_id)
            .join(User, User.id == Membership.user_id)
            .where(Membership.user_id.in_(subject.only), Membership.is_active, User.is_active)
        ).scalars()
        return frozenset(found)
    return holders_of(session, Role.TREASURY, Role.CFO, now=now)
