"""Decisions on the open step of a subject.

Every decision sends back the digest of what was read; a stale one is refused (domain.md §4).
"""

import hmac
from dataclasses import dataclass
from typing import Any, Generic
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    Decision,
    RoundStatus,
    StepDecision,
    StepStatus,
    SubjectRow,
    TrailAction,
)
from pettycash.runtime import errors
from pettycash.services.approvals import resolution, rounds, subjects, trail
from pettycash.services.approvals.subjects import Row, Subject
from pettycash.services.foundation import duties, text_validation
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow


class NotAnApprover(errors.NotAllowed):
    """You are not among its approvers."""

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


@dataclass(frozen=True, kw_only=True)
class WaitingStep(Generic[Row]):
    """A step that waits for the actor, everything checked."""

    subject: Row
    round: ApprovalRound
    step: ApprovalStep
    steps: list[ApprovalStep]
    known: duties.Holders


def approve(
    uow: Uow, kind: Subject[Row], *, subject_id: UUID, digest: str, comment: str | None = None
) -> Row:
    """Approve the open step. The last approval is the subject's.

    Raises:
        kind.own: requester and approver are the same person.
        kind.not_waiting: it waits for no decision.
        NotAnApprover, NotYourTurn, StepAlreadyDecided, RoleLost: the step is not the actor's.
        NotSeparate: the actor has another duty about this money; the detail names it.
        StaleDigest: what was read is not what stands there now.
        and what `kind.find` refuses.
    """
    turn = take_turn(uow, kind, subject_id=subject_id, digest=digest)
    approve_step(uow, turn, comment=comment)
    return turn.subject


def reject(uow: Uow, kind: Subject[Row], *, subject_id: UUID, digest: str, comment: str) -> Row:
    """End the subject with a no; the reason is required.

    Raises:
        InvalidText: no reason.
        The refusals of `approve`.
    """
    turn = take_turn(uow, kind, subject_id=subject_id, digest=digest)
    reason = text_validation.required(comment, field="comment")
    record(uow, turn, StepDecision.REJECTED, TrailAction.REJECTED, comment=reason)
    _end(uow, turn, StepStatus.REJECTED, RoundStatus.REJECTED)
    return turn.subject


def request_changes(
    uow: Uow, kind: Subject[Row], *, subject_id: UUID, digest: str, comment: str
) -> Row:
    """Give the subject back to its requester, saying what to change.

    Raises:
        InvalidText: no reason.
        The refusals of `approve`.
    """
    turn = take_turn(uow, kind, subject_id=subject_id, digest=digest)
    reason = text_validation.required(comment, field="comment")
    record(uow, turn, StepDecision.CHANGES_REQUESTED, TrailAction.CHANGES_REQUESTED, comment=reason)
    _end(uow, turn, StepStatus.CHANGES_REQUESTED, RoundStatus.CHANGES_REQUESTED)
    return turn.subject


def approve_step(uow: Uow, turn: WaitingStep[Any], *, comment: str | None) -> None:
    """Record the approval of a step and go on to the next."""
    record(uow, turn, StepDecision.APPROVED, TrailAction.APPROVED, comment=comment)
    rounds.close_step(turn.step, StepStatus.APPROVED, now=uow.now)
    advance(uow, turn)


def take_turn(uow: Uow, kind: Subject[Row], *, subject_id: UUID, digest: str) -> WaitingStep[Row]:
    """Lock, then check everything that a decision of the open step needs.

    Raises:
        the refusals of `approve`.
    """
    turn = waiting_step(uow, kind.find(uow, subject_id))
    check_digest(uow.session, subject=turn.subject, approval_round=turn.round, digest=digest)
    return turn


def check_digest(
    session: Session, *, subject: SubjectRow, approval_round: ApprovalRound, digest: str
) -> None:
    """Refuse a decision on anything but what stands there now.

    Raises:
        StaleDigest: the sent digest is not the round's, or the facts are not the round's.
    """
    current = rounds.decision_digest(approval_round)
    sent = digest.strip().lower().encode("ascii", "replace")
    if not hmac.compare_digest(current.encode(), sent):
        raise StaleDigest
    facts = subjects.of(subject).facts(session, subject, approval_round)
    if not hmac.compare_digest(rounds.digest_of(facts), approval_round.digest):
        raise StaleDigest(f"The {subject.subject_kind} was changed since its round began.")


def waiting_step(uow: Uow, subject: Row) -> WaitingStep[Row]:
    """The open step of a subject that waits for the actor's decision as it stands.

    Raises:
        the refusals of `approve`, but StaleDigest.
    """
    session, actor = uow.session, uow.actor
    kind = subjects.of(subject)
    if subject.requester_id == actor.user_id:
        raise kind.own
    kind.check_waiting(subject)
    current = rounds.latest(session, subject.id)
    if current is None or current.status is not RoundStatus.OPEN:
        raise kind.not_waiting("No round of approval is open.")
    steps = rounds.steps_of(session, current.id)
    assignees = rounds.assignees_of(session, current.id)
    own = next((step for step in steps if actor.user_id in assignees.get(step.id, ())), None)
    if own is None:
        raise NotAnApprover
    if own.status is StepStatus.APPROVED:
        raise StepAlreadyDecided
    if own.status is not StepStatus.OPEN:
        raise NotYourTurn(f"Your step is {own.status}.")
    known = kind.holders(session, subject)
    other = duties.others(known, Duty.APPROVER).get(actor.user_id)
    if other is not None:
        raise duties.refusal(other, Duty.APPROVER)
    if not resolution.holds_step_role(
        session,
        user_id=actor.user_id,
        role=own.role,
        scope_id=own.scope_id,
        subject=rounds.for_resolution(subject, ()),
        now=uow.now,
    ):
        raise RoleLost(f"You no longer hold the role {own.role}.")
    return WaitingStep(subject=subject, round=current, step=own, steps=steps, known=known)


def record(
    uow: Uow,
    turn: WaitingStep[Any],
    verdict: StepDecision,
    action: TrailAction,
    *,
    comment: str | None,
    skipped_roles: list[str] | None = None,
) -> None:
    """Write a decision, and the line of the trail that tells of it."""
    comment = text_validation.optional(comment, field="comment")
    uow.session.add(
        Decision(
            company_id=turn.subject.company_id,
            subject_id=turn.subject.id,
            round_id=turn.round.id,
            step_id=turn.step.id,
            user_id=uow.actor.user_id,
            role=turn.step.role,
            verdict=verdict,
            digest=turn.round.digest,
            comment=comment,
            ip_address=uow.actor.ip_address,
            user_agent=uow.actor.user_agent,
        )
    )
    uow.session.flush()  # the database's own check of duties comes before anything follows from it
    trail.write(
        uow.session,
        turn.subject,
        action,
        actor=uow.actor,
        role=turn.step.role,
        comment=comment,
        digest=turn.round.digest,
        auto_escalated=turn.step.auto_escalated,
        escalation_reason=turn.step.escalation_reason,
        skipped_roles=skipped_roles or [],
        override=turn.round.override,
    )


def advance(uow: Uow, turn: WaitingStep[Any]) -> None:
    """Open the next step, or let the subject know that its round is approved.

    Where an earlier approver turns out to have another duty, that step is resolved anew first.
    """
    session, subject = uow.session, turn.subject
    session.flush()  # one open step per subject: this one must be closed before the next opens
    void = duties.conflicted(session, turn.known, subject_id=subject.id)
    if void:
        rounds.resolve_anew(session, subject=subject, void=void, now=uow.now)
        return
    waiting = rounds.waiting_steps(turn.steps)
    if waiting:
        rounds.open_step(session, subject, waiting[0], now=uow.now)
        return
    _close(uow, turn, RoundStatus.APPROVED)


def _end(uow: Uow, turn: WaitingStep[Any], step: StepStatus, status: RoundStatus) -> None:
    rounds.close_step(turn.step, step, now=uow.now)
    _close(uow, turn, status)


def _close(uow: Uow, turn: WaitingStep[Any], status: RoundStatus) -> None:
    rounds.close_round(uow.session, turn.round, status, now=uow.now)
    subjects.of(turn.subject).decided(uow.session, turn.subject, turn.round, uow.now)
