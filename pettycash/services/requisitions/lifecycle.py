"""Steps of a requisition's life that are no approval: submit, recall, cancel, hold, review …"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import RoundStatus, TrailAction
from pettycash.models.payments import UNPAID, Payment, PaymentStatus
from pettycash.models.requisitions import (
    IN_APPROVAL,
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import errors
from pettycash.services.approvals import rounds, trail
from pettycash.services.foundation import duties, requesters, text_validation, visibility
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from pettycash.services.requisitions import approved_facts, left_behind, notices, validation
from pettycash.services.requisitions.creation import (
    BEFORE_SUBMIT,
    NotRequester,
    withdraw_approval,
)
from pettycash.services.requisitions.progress import money_moved

R = RequisitionStatus
AT_TREASURY = frozenset({R.PENDING_TREASURY_VALIDATION})


class PaymentsUnderWay(errors.Conflict):
    """Payments of the requisition are pending, sent or in doubt: cancel or settle them first."""

    code = "requisition.payments_under_way"


class MoneyHasMoved(errors.Conflict):
    """Some of the money was paid, so the requisition is closed short, not cancelled."""

    code = "requisition.money_has_moved"


class NothingPaid(errors.Conflict):
    """None of the money was paid, so the requisition is cancelled, not closed short."""

    code = "requisition.nothing_paid"


class HoldUnchanged(errors.Conflict):
    """The requisition is on hold already, or is not on hold."""

    code = "requisition.hold_unchanged"


class NotIndependent(errors.KeptApart):
    """The reviewer of a requisition must have no other part in it, nor in a case about it."""

    code = "requisition.reviewer_not_independent"


class PartyToIt(errors.KeptApart):
    """You raised or approved this requisition or get its money; another person must do this."""

    code = "requisition.party_to_it"


def submit(uow: Uow, *, requisition_id: UUID) -> Requisition:
    """Hand a requisition in: threshold, chain and snapshot in one transaction.

    Raises:
        RequisitionNotFound: none such within scope.
        NotRequester: somebody else raised it.
        IllegalRequisitionState: it was submitted already, or has ended.
        AdvancesOff, UnknownCategory, RailRefuses, AboveCashLimit: it could never be paid.
        NoThreshold, MissingScope, NoApprover: it can't be resolved.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_submitting(uow, requisition)
    lines = approved_facts.lines_of(uow.session, requisition.id)
    validation.check_can_be_paid(uow.session, validation.draft_of(requisition, lines))
    rounds.open_round(uow, subject=requisition)
    return requisition


def recall(uow: Uow, *, requisition_id: UUID, comment: str | None = None) -> Requisition:
    """Take a submitted requisition back into draft; its round is void.

    Raises:
        RequisitionNotFound, NotRequester: see `submit`.
        IllegalRequisitionState: no step waits for a decision.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_recalling(uow, requisition)
    _close_open_round(uow.session, requisition, RoundStatus.VOIDED, now=uow.now)
    requisition.move_to(R.DRAFT, at=uow.now)
    trail.write(
        uow.session,
        requisition,
        TrailAction.RECALLED,
        actor=uow.actor,
        role=Role.STAFF.value,
        comment=text_validation.optional(comment, field="comment"),
    )
    return requisition


def cancel(uow: Uow, *, requisition_id: UUID, comment: str | None = None) -> Requisition:
    """End a requisition that shall not be paid. In payment, treasury may do so too; what somebody
    who left had raised, their manager.

    Raises:
        RequisitionNotFound: none such within scope.
        NotRequester: somebody else raised it, and it is not treasury's to end.
        IllegalRequisitionState: it has ended.
        PaymentsUnderWay, MoneyHasMoved: what its payments did stands in the way.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    role = check_cancelling(uow, requisition)
    reason = text_validation.optional(comment, field="comment")
    if role != Role.STAFF.value:
        reason = text_validation.required(comment, field="comment")
    if requisition.status is not R.IN_PAYMENT:
        withdraw_approval(requisition)  # with payments it stays: a late proof may still post
        _drop_redirect(uow, requisition)
    _close_open_round(uow.session, requisition, RoundStatus.VOIDED, now=uow.now)
    requisition.move_to(R.CANCELLED, at=uow.now)
    if role != Role.STAFF.value:
        notices.decided(uow.session, requisition, event=requisition.id, now=uow.now)
    trail.write(
        uow.session,
        requisition,
        TrailAction.CANCELLED,
        actor=uow.actor,
        role=role,
        comment=reason,
    )
    return requisition


def check_submitting(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not hand a requisition in as it stands; whether it can be resolved is not
    looked at.

    Raises:
        NotRequester, IllegalRequisitionState: see `submit`.
    """
    _check_own(uow, requisition)
    _expect(requisition, BEFORE_SUBMIT, "submitted")


def check_recalling(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not take a requisition back as it stands.

    Raises:
        NotRequester, IllegalRequisitionState: see `recall`.
    """
    _check_own(uow, requisition)
    _expect(requisition, IN_APPROVAL, "recalled")


def check_cancelling(uow: Uow, requisition: Requisition) -> str:
    """Refuse who may not cancel a requisition as it stands; the role in which the actor may.

    Raises:
        NotRequester, IllegalRequisitionState, PaymentsUnderWay, MoneyHasMoved: see `cancel`.
    """
    session = uow.session
    own = requesters.is_own(session, requisition, user_id=uow.actor.user_id)
    at_treasury = requisition.status is R.IN_PAYMENT and uow.actor.has(Role.TREASURY)
    as_manager = None
    if not own and not at_treasury and requesters.has_left(session, requisition.requester_id):
        as_manager = left_behind.role_as_manager(
            session, requisition, user_id=uow.actor.user_id, now=uow.now
        )
    if not own and not at_treasury and as_manager is None:
        raise NotRequester("Only its requester may cancel a requisition.")
    _expect(requisition, BEFORE_SUBMIT | IN_APPROVAL | AT_TREASURY | {R.IN_PAYMENT}, "cancelled")
    if requisition.status is R.IN_PAYMENT:
        _refuse_under_way(session, requisition)
        if money_moved(session, requisition.id) > 0:
            raise MoneyHasMoved
    return as_manager or (Role.STAFF if own else Role.TREASURY).value


def return_to_requester(uow: Uow, *, requisition_id: UUID, comment: str) -> Requisition:
    """Treasury can't pay it as it stands: back to the requester, and through approval again.

    Raises:
        RequisitionNotFound: none such within scope.
        PartyToIt: the actor raised or approved it, or gets the money.
        IllegalRequisitionState: it does not wait for treasury.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_returning(uow, requisition)
    reason = text_validation.required(comment, field="comment")
    approved = rounds.latest(uow.session, requisition.id)
    if approved is not None:
        rounds.close_round(uow.session, approved, RoundStatus.CHANGES_REQUESTED, now=uow.now)
    withdraw_approval(requisition)
    _drop_redirect(uow, requisition)
    requisition.held_at = None
    requisition.hold_reason = None
    requisition.move_to(R.CHANGES_REQUESTED, at=uow.now)
    if approved is not None:
        notices.decided(uow.session, requisition, event=approved.id, now=uow.now)
    trail.write(
        uow.session,
        requisition,
        TrailAction.RETURNED,
        actor=uow.actor,
        role=Role.TREASURY.value,
        comment=reason,
    )
    return requisition


def put_on_hold(uow: Uow, *, requisition_id: UUID, comment: str) -> Requisition:
    """Put an approved requisition on hold: it can't be validated until that is lifted.

    Raises:
        RequisitionNotFound, PartyToIt, IllegalRequisitionState: see `return_to_requester`.
        HoldUnchanged: it is on hold already.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_holding(uow, requisition)
    if requisition.held_at is not None:
        raise HoldUnchanged("It is on hold already.")
    requisition.held_at = uow.now
    requisition.hold_reason = text_validation.required(comment, field="comment")
    requisition.version += 1
    trail.write(
        uow.session,
        requisition,
        TrailAction.HELD,
        actor=uow.actor,
        role=Role.TREASURY.value,
        comment=requisition.hold_reason,
    )
    return requisition


def take_off_hold(uow: Uow, *, requisition_id: UUID, comment: str) -> Requisition:
    """Let a held requisition be validated again.

    Raises:
        RequisitionNotFound, PartyToIt, IllegalRequisitionState: see `return_to_requester`.
        HoldUnchanged: it is not on hold.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_holding(uow, requisition)
    if requisition.held_at is None:
        raise HoldUnchanged("It is not on hold.")
    requisition.held_at = None
    requisition.hold_reason = None
    requisition.version += 1
    trail.write(
        uow.session,
        requisition,
        TrailAction.RELEASED_FROM_HOLD,
        actor=uow.actor,
        role=Role.TREASURY.value,
        comment=text_validation.required(comment, field="comment"),
    )
    return requisition


def close_short(uow: Uow, *, requisition_id: UUID, comment: str) -> Requisition:
    """Let the remainder of a partly paid requisition go; what was paid stands.

    Raises:
        RequisitionNotFound, PartyToIt: see `return_to_requester`.
        IllegalRequisitionState: it is not in payment.
        PaymentsUnderWay, NothingPaid: what its payments did stands in the way.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_closing_short(uow, requisition)
    requisition.move_to(R.CLOSED_SHORT, at=uow.now)
    trail.write(
        uow.session,
        requisition,
        TrailAction.CLOSED_SHORT,
        actor=uow.actor,
        role=Role.TREASURY.value,
        comment=text_validation.required(comment, field="comment"),
    )
    return requisition


def review(uow: Uow, *, requisition_id: UUID, comment: str | None = None) -> Requisition:
    """Look at a paid requisition afterwards, as somebody who had no part in it.

    Raises:
        RequisitionNotFound: none such within scope.
        NotIndependent: the actor had a part in it, be it as judge of a case.
        IllegalRequisitionState: it is not paid or closed short.
    """
    requisition = _locked(uow, requisition_id=requisition_id)
    check_reviewing(uow, requisition)
    requisition.move_to(R.REVIEWED, at=uow.now)
    trail.write(
        uow.session,
        requisition,
        TrailAction.REVIEWED,
        actor=uow.actor,
        role=Role.FPA.value,
        comment=text_validation.optional(comment, field="comment"),
    )
    return requisition


def _drop_redirect(uow: Uow, requisition: Requisition) -> None:
    changes.drop_redirect(uow, requisition, comment="The requisition went back or was cancelled.")


def check_returning(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not return a requisition as it stands.

    Raises:
        PartyToIt, IllegalRequisitionState: see `return_to_requester`.
    """
    _check_no_party(uow, requisition)
    _expect(requisition, AT_TREASURY, "returned")


def check_holding(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not put a requisition on hold, or take it off, as it stands.

    Raises:
        PartyToIt, IllegalRequisitionState: see `put_on_hold`.
    """
    _check_no_party(uow, requisition)
    _expect(requisition, AT_TREASURY, "put on hold or taken off")


def check_closing_short(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not close a requisition short as it stands.

    Raises:
        PartyToIt, IllegalRequisitionState, PaymentsUnderWay, NothingPaid: see `close_short`.
    """
    _check_no_party(uow, requisition)
    _expect(requisition, frozenset({R.IN_PAYMENT}), "closed short")
    _refuse_under_way(uow.session, requisition)
    if money_moved(uow.session, requisition.id) == 0:
        raise NothingPaid


def check_reviewing(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not review a requisition as it stands.

    Raises:
        NotIndependent, IllegalRequisitionState: see `review`.
    """
    _expect(requisition, frozenset({R.PAID, R.CLOSED_SHORT}), "reviewed")
    for own, people in duties.holders(uow.session, requisition_id=requisition.id).items():
        if uow.actor.user_id in people:
            raise NotIndependent(f"You {duties.PHRASES[own]}, so another person must review it.")


def _locked(uow: Uow, *, requisition_id: UUID) -> Requisition:
    return visibility.requisition(uow, requisition_id=requisition_id, lock=True)


def _check_own(uow: Uow, requisition: Requisition) -> None:
    if not requesters.is_own(uow.session, requisition, user_id=uow.actor.user_id):
        raise NotRequester


def _check_no_party(uow: Uow, requisition: Requisition) -> None:
    known = duties.holders(uow.session, requisition_id=requisition.id)
    for own in (Duty.REQUESTER, Duty.RECIPIENT, Duty.APPROVER):
        if uow.actor.user_id in known[own]:
            raise PartyToIt(duties.refusal(own, Duty.MAKER).detail)


def _expect(requisition: Requisition, allowed: frozenset[RequisitionStatus], done: str) -> None:
    if requisition.status not in allowed:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} can't be {done}."
        )


def _close_open_round(
    session: Session, requisition: Requisition, status: RoundStatus, *, now: datetime
) -> None:
    current = rounds.latest(session, requisition.id)
    if current is not None and current.status is RoundStatus.OPEN:
        rounds.close_round(session, current, status, now=now)


def _refuse_under_way(session: Session, requisition: Requisition) -> None:
    """Refuse while a payment may still move money; the requisition's lock keeps new ones out."""
    under_way = session.execute(
        select(Payment.number)
        .where(
            Payment.requisition_id == requisition.id,
            Payment.status.in_(
                [
                    PaymentStatus.PENDING,
                    PaymentStatus.SCHEDULED,
                    PaymentStatus.EXECUTING,
                    PaymentStatus.IN_DOUBT,
                ]
            )
            | (Payment.status.in_(UNPAID) & ~Payment.failure_confirmed),
        )
        .order_by(Payment.ordinal)
    ).scalars()
    numbers = list(under_way)
    if numbers:
        raise PaymentsUnderWay(f"Not while {', '.join(numbers)} may still move money.")
