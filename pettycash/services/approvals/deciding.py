"""Decisions on the open step of a requisition.

Every decision sends back the digest of what was read; a stale one is refused (domain.md §4).
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    Decision,
    RoundStatus,
    StepDecision,
    StepStatus,
    TrailAction,
)
from pettycash.models.requisitions import (
    IN_APPROVAL,
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import errors
from pettycash.services.approvals import approved_facts, resolution, rounds, trail
from pettycash.services.foundation import duties, hooks, text_validation, visibility
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow

R = RequisitionStatus


class OwnRequisition(errors.NotAllowed):
    """You raised this requisition; another person must decide on it."""

    code = "approval.maker_is_checker"


class NotAnApprover(errors.NotAllowed):
    """You are not among the approvers of this requisition."""

    code = "approval.not_an_approver"


class RoleLost(errors.NotAllowed):
    """You no longer hold the role for which this step was assigned to you."""

    code = "approval.role_lost"


class NotYourTurn(errors.Conflict):
    """An earlier step has not been decided yet, or yours was skipped or void."""

    code = "approval.not_your_turn"


class StepAlreadyDecided(errors.Conflict):
    """You have decided your step of this round already."""

    code = "approval.already_decided"


class StaleDigest(errors.Conflict):
    """This was changed since you read it; read it again, then decide."""

    code = "approval.stale_digest"


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


@dataclass(frozen=True, kw_only=True)
class WaitingStep:
    """A step that waits for the actor, everything checked."""

    requisition: Requisition
    round: ApprovalRound
    step: ApprovalStep
    steps: list[ApprovalStep]
    known: duties.Holders


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
    turn = _turn(uow, requisition_id=requisition_id, digest=digest)
    check_urgency_answered(turn.requisition)
    _decide(uow, turn, StepDecision.APPROVED, comment=comment)
    _write_trail(uow, turn, TrailAction.APPROVED, comment=comment)
    rounds.close_step(turn.step, StepStatus.APPROVED, now=uow.now)
    _advance(uow.session, turn, now=uow.now)
    return turn.requisition


def reject(uow: Uow, *, requisition_id: UUID, digest: str, comment: str) -> Requisition:
    """End the requisition with a no; the reason is required.

    Raises:
        InvalidText: no reason.
        The refusals of `approve`, but UrgencyUnanswered.
    """
    turn = _turn(uow, requisition_id=requisition_id, digest=digest)
    reason = text_validation.required(comment, field="comment")
    _decide(uow, turn, StepDecision.REJECTED, comment=reason)
    _write_trail(uow, turn, TrailAction.REJECTED, comment=reason)
    rounds.close_step(turn.step, StepStatus.REJECTED, now=uow.now)
    rounds.close_round(uow.session, turn.round, RoundStatus.REJECTED, now=uow.now)
    turn.requisition.move_to(R.REJECTED, at=uow.now)
    return turn.requisition


def request_changes(uow: Uow, *, requisition_id: UUID, digest: str, comment: str) -> Requisition:
    """Give the requisition back to its requester, saying what to change.

    Raises:
        InvalidText: no reason.
        The refusals of `approve`, but UrgencyUnanswered.
    """
    turn = _turn(uow, requisition_id=requisition_id, digest=digest)
    reason = text_validation.required(comment, field="comment")
    _decide(uow, turn, StepDecision.CHANGES_REQUESTED, comment=reason)
    _write_trail(uow, turn, TrailAction.CHANGES_REQUESTED, comment=reason)
    rounds.close_step(turn.step, StepStatus.CHANGES_REQUESTED, now=uow.now)
    rounds.close_round(uow.session, turn.round, RoundStatus.CHANGES_REQUESTED, now=uow.now)
    turn.requisition.move_to(R.CHANGES_REQUESTED, at=uow.now)
    return turn.requisition


def confirm_urgency(
    uow: Uow, *, requisition_id: UUID, urgency: Urgency, digest: str, comment: str | None = None
) -> Requisition:
    """Answer, as the first approver, whether a requisition is urgent.

    Confirmed is their approval too; where the policy allows it and the tier is not the top one,
    the steps between are skipped and the last approval is next. Refused leaves the step open for
    their ordinary decision.

    Raises:
        NoUrgencyQuestion: it is not urgent, or that was answered.
        The refusals of `approve`, but UrgencyUnanswered.
    """
    now = uow.now
    turn = _turn(uow, requisition_id=requisition_id, digest=digest)
    check_urgency_asked(turn.requisition)
    if urgency is Urgency.REFUSED:
        _decide(uow, turn, StepDecision.URGENCY_REFUSED, comment=comment)
        _write_trail(uow, turn, TrailAction.URGENCY_REFUSED, comment=comment)
        turn.requisition.move_to(rounds.STATUS_OF_ROLE.get(turn.step.role, R.PENDING), at=now)
        return turn.requisition
    _decide(uow, turn, StepDecision.URGENCY_CONFIRMED, comment=comment)
    rounds.close_step(turn.step, StepStatus.APPROVED, now=now)
    skipped = []
    if turn.round.policy["allow_urgent_fasttrack"] and not _is_top_tier(turn.round):
        skipped = rounds.waiting_steps(turn.steps)[:-1]
        for step in skipped:
            rounds.close_step(step, StepStatus.SKIPPED, now=now)
    _write_trail(
        uow,
        turn,
        TrailAction.URGENCY_CONFIRMED,
        comment=comment,
        skipped_roles=[step.original_role.value for step in skipped],
    )
    _advance(uow.session, turn, now=now)
    return turn.requisition


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


def check_digest(
    session: Session, *, requisition: Requisition, approval_round: ApprovalRound, digest: str
) -> None:
    """Refuse a decision on anything but what stands there now.

    Raises:
        StaleDigest: the sent digest is not the round's, or the facts are not the round's.
    """
    current = approved_facts.decision_digest(approval_round)
    sent = digest.strip().lower().encode("ascii", "replace")
    if not hmac.compare_digest(current.encode(), sent):
        raise StaleDigest
    standing = approved_facts.digest_of(rounds.facts_of(session, requisition, approval_round))
    if not hmac.compare_digest(standing, approval_round.digest):
        raise StaleDigest("The requisition was changed since its round began.")


def _turn(uow: Uow, *, requisition_id: UUID, digest: str) -> WaitingStep:
    """Lock, then check everything that a decision of the open step needs."""
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    turn = waiting_step(uow, requisition)
    check_digest(uow.session, requisition=requisition, approval_round=turn.round, digest=digest)
    return turn


def waiting_step(uow: Uow, requisition: Requisition) -> WaitingStep:
    """The open step of a requisition that waits for the actor's decision as it stands.

    Raises:
        the refusals of `approve`, but StaleDigest and UrgencyUnanswered.
    """
    session, actor = uow.session, uow.actor
    if requisition.requester_id == actor.user_id:
        raise OwnRequisition
    if requisition.status not in IN_APPROVAL:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} waits for no decision."
        )
    current = rounds.latest(session, requisition.id)
    if current is None or current.status is not RoundStatus.OPEN:
        raise IllegalRequisitionState("No round of approval is open.")
    steps = rounds.steps_of(session, current.id)
    assignees = rounds.assignees_of(session, current.id)
    own = next((step for step in steps if actor.user_id in assignees.get(step.id, ())), None)
    if own is None:
        raise NotAnApprover
    if own.status is StepStatus.APPROVED:
        raise StepAlreadyDecided
    if own.status is not StepStatus.OPEN:
        raise NotYourTurn(f"Your step is {own.status}.")
    known = duties.holders(session, requisition_id=requisition.id)
    other = duties.others(known, Duty.APPROVER).get(actor.user_id)
    if other is not None:
        raise duties.refusal(other, Duty.APPROVER)
    if not resolution.holds_step_role(
        session,
        user_id=actor.user_id,
        role=own.role,
        scope_id=own.scope_id,
        requisition=requisition,
        now=uow.now,
    ):
        raise RoleLost(f"You no longer hold the role {own.role}.")
    return WaitingStep(requisition=requisition, round=current, step=own, steps=steps, known=known)


def _decide(uow: Uow, turn: WaitingStep, verdict: StepDecision, *, comment: str | None) -> None:
    uow.session.add(
        Decision(
            company_id=turn.requisition.company_id,
            requisition_id=turn.requisition.id,
            round_id=turn.round.id,
            step_id=turn.step.id,
            user_id=uow.actor.user_id,
            role=turn.step.role,
            verdict=verdict,
            digest=turn.round.digest,
            comment=text_validation.optional(comment, field="comment"),
            ip_address=uow.actor.ip_address,
            user_agent=uow.actor.user_agent,
        )
    )
    uow.session.flush()  # the database's own check of duties comes before anything follows from it


def _write_trail(
    uow: Uow,
    turn: WaitingStep,
    action: TrailAction,
    *,
    comment: str | None,
    skipped_roles: list[str] | None = None,
) -> None:
    trail.write(
        uow.session,
        turn.requisition,
        action,
        actor=uow.actor,
        role=turn.step.role,
        comment=text_validation.optional(comment, field="comment"),
        digest=turn.round.digest,
        auto_escalated=turn.step.auto_escalated,
        escalation_reason=turn.step.escalation_reason,
        skipped_roles=skipped_roles or [],
        override=turn.round.override,
    )


def _is_top_tier(current: ApprovalRound) -> bool:
    """Whether the round's tier was the highest live one when it was submitted."""
    return bool(current.policy["tier"] >= current.policy["top_tier"])


def _advance(session: Session, turn: WaitingStep, *, now: datetime) -> None:
    """Open the next step, or hand the approved requisition to treasury.

    Where an earlier approver turns out to have another duty, that step is resolved anew first.
    """
    requisition = turn.requisition
    session.flush()  # one open step per requisition: this one must be closed before the next opens
    void = duties.conflicted(session, turn.known, requisition_id=requisition.id)
    if void:
        rounds.resolve_anew(session, requisition=requisition, void=void, now=now)
        return
    waiting = rounds.waiting_steps(turn.steps)
    if waiting:
        rounds.open_step(requisition, waiting[0], now=now)
        return
    rounds.close_round(session, turn.round, RoundStatus.APPROVED, now=now)
    requisition.approved_amount = requisition.amount
    requisition.approved_digest = turn.round.digest
    requisition.approved_at = now
    requisition.move_to(R.PENDING_TREASURY_VALIDATION, at=now)
    hooks.on_final_approval(session, requisition, now)
