"""Decisions of approvers on a requisition, and their answer to whether it is urgent."""

from enum import StrEnum
from uuid import UUID

from pettycash.models.approvals import ApprovalRound, StepDecision, StepStatus, TrailAction
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import errors
from pettycash.services.approvals import deciding, rounds
from pettycash.services.approvals.deciding import WaitingStep
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions.approval import STATUS_OF_ROLE, SUBJECT

R = RequisitionStatus


class UrgencyUnanswered(errors.RuleViolation):
    """The requisition is urgent: answer that first, with confirm_urgency."""

    code = "approval.urgency_unanswered"


class NoUrgencyQuestion(errors.Conflict):
    """Whether this requisition is urgent was answered already, or never asked."""

    code = "approval.no_urgency_question"


class Urgency(StrEnum):
    """The first approver's answer to an urgent requisition."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"


def approve(
    uow: Uow, *, requisition_id: UUID, digest: str, comment: str | None = None
) -> Requisition:
    """Approve the open step. The last approval leaves the requisition with treasury.

    Raises:
        RequisitionNotFound: none such within scope.
        OwnRequisition: requester and approver are the same person.
        IllegalRequisitionState: it waits for no decision.
        NotAnApprover, NotYourTurn, StepAlreadyDecided, RoleLost: the step is not the actor's.
        NotSeparate: the actor has another duty about this money; the detail names it.
        StaleDigest: what was read is not what stands there now.
        UrgencyUnanswered: the step asks whether it is urgent.
    """
    turn = deciding.take_turn(uow, SUBJECT, subject_id=requisition_id, digest=digest)
    check_urgency_answered(turn.subject)
    deciding.approve_step(uow, turn, comment=comment)
    return turn.subject


def reject(uow: Uow, *, requisition_id: UUID, digest: str, comment: str) -> Requisition:
    """End the requisition with a no; the reason is required.

    Raises:
        InvalidText: no reason.
        RequisitionNotFound, OwnRequisition, IllegalRequisitionState: see `approve`.
        and its other refusals, but UrgencyUnanswered.
    """
    return deciding.reject(
        uow,
        SUBJECT,
        subject_id=requisition_id,
        digest=digest,
        comment=comment,
    )


def request_changes(uow: Uow, *, requisition_id: UUID, digest: str, comment: str) -> Requisition:
    """Give the requisition back to its requester, saying what to change.

    Raises:
        InvalidText: no reason.
        RequisitionNotFound, OwnRequisition, IllegalRequisitionState: see `approve`.
        and its other refusals, but UrgencyUnanswered.
    """
    return deciding.request_changes(
        uow,
        SUBJECT,
        subject_id=requisition_id,
        digest=digest,
        comment=comment,
    )


def confirm_urgency(
    uow: Uow, *, requisition_id: UUID, urgency: Urgency, digest: str, comment: str | None = None
) -> Requisition:
    """Answer, as the first approver, whether a requisition is urgent.

    Confirmed is their approval too; where the policy allows it and the tier is not the top one,
    the steps between are skipped and the last approval is next. Refused leaves the step open for
    their ordinary decision.

    Raises:
        NoUrgencyQuestion: it is not urgent, or that was answered.
        RequisitionNotFound, OwnRequisition, IllegalRequisitionState: see `approve`.
        and its other refusals, but UrgencyUnanswered.
    """
    now = uow.now
    turn = deciding.take_turn(uow, SUBJECT, subject_id=requisition_id, digest=digest)
    check_urgency_asked(turn.subject)
    if urgency is Urgency.REFUSED:
        deciding.record(
            uow, turn, StepDecision.URGENCY_REFUSED, TrailAction.URGENCY_REFUSED, comment=comment
        )
        turn.subject.move_to(STATUS_OF_ROLE.get(turn.step.role, R.PENDING), at=now)
        return turn.subject
    skipped = []
    if turn.round.policy["allow_urgent_fasttrack"] and not _is_top_tier(turn.round):
        skipped = rounds.waiting_steps(turn.steps)[:-1]
    deciding.record(
        uow,
        turn,
        StepDecision.URGENCY_CONFIRMED,
        TrailAction.URGENCY_CONFIRMED,
        comment=comment,
        skipped_roles=[step.original_role.value for step in skipped],
    )
    rounds.close_step(turn.step, StepStatus.APPROVED, now=now)
    for step in skipped:
        rounds.close_step(step, StepStatus.SKIPPED, now=now)
    deciding.advance(uow, turn)
    return turn.subject


def check_urgency_answered(requisition: Requisition) -> None:
    """Refuse an approval while it is asked whether the requisition is urgent.

    Raises:
        UrgencyUnanswered: it is asked.
    """
    if requisition.status is R.PENDING_URGENCY_CONFIRMATION:
        raise UrgencyUnanswered


def check_urgency_asked(requisition: Requisition) -> None:
    """Refuse an answer to what is not asked.

    Raises:
        NoUrgencyQuestion: it is not urgent, or that was answered.
    """
    if requisition.status is not R.PENDING_URGENCY_CONFIRMATION:
        raise NoUrgencyQuestion


def waiting_step(uow: Uow, requisition: Requisition) -> WaitingStep[Requisition]:
    """The open step of a requisition that waits for the actor's decision as it stands.

    Raises:
        the refusals of `approve`, but StaleDigest and UrgencyUnanswered.
    """
    return deciding.waiting_step(uow, requisition)


def _is_top_tier(current: ApprovalRound) -> bool:
    """Whether the round's tier was the highest live one when it was submitted."""
    return bool(current.policy["tier"] >= current.policy["top_tier"])
