"""Rounds of approval over a subject: opened at submit, walked step by step, closed or voided.

The caller holds the subject's lock. Rounds → steps → assignees → append-only decisions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    ApprovalThreshold,
    Decision,
    RoundStatus,
    StepAssignee,
    StepDecision,
    StepStatus,
    SubjectRow,
    TrailAction,
)
from pettycash.services.approvals import resolution, subjects, thresholds, trail
from pettycash.services.approvals.subjects import Asked
from pettycash.services.foundation import digests, duties
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow

STANDING = (RoundStatus.OPEN, RoundStatus.APPROVED, RoundStatus.HANDED_OVER)
"""Rounds whose approvals count; `duties.STANDING` says the same in SQL."""


def digest_of(facts: Mapping[str, Any]) -> bytes:
    """SHA-256 of the versioned canonical JSON of facts."""
    return digests.digest(facts)


def decision_digest(of_round: ApprovalRound) -> str:
    """The digest that a decision names: it changes with the round and every approved fact. Hex."""
    return digests.digest(
        {
            f"{of_round.subject_kind}_id": of_round.subject_id,
            "round": of_round.number,
            "facts": of_round.digest.hex(),
        }
    ).hex()


def latest(session: Session, subject_id: UUID) -> ApprovalRound | None:
    """The newest round; earlier ones are history."""
    return session.execute(
        select(ApprovalRound)
        .where(ApprovalRound.subject_id == subject_id)
        .order_by(ApprovalRound.number.desc())
        .limit(1)
    ).scalar_one_or_none()


def steps_of(session: Session, round_id: UUID) -> list[ApprovalStep]:
    """The steps in their order."""
    return list(
        session.execute(
            select(ApprovalStep)
            .where(ApprovalStep.round_id == round_id)
            .order_by(ApprovalStep.position)
        ).scalars()
    )


def assignees_of(session: Session, round_id: UUID) -> dict[UUID, list[UUID]]:
    """Step → the people who may decide it."""
    found: dict[UUID, list[UUID]] = {}
    for step_id, user_id in session.execute(
        select(StepAssignee.step_id, StepAssignee.user_id)
        .where(StepAssignee.round_id == round_id)
        .order_by(StepAssignee.id)
    ):
        found.setdefault(step_id, []).append(user_id)
    return found


def open_round(uow: Uow, *, subject: SubjectRow) -> ApprovalRound:
    """Resolve the chain for the facts as they stand and open its first step.

    Raises:
        NoThreshold: no tier serves the amount, currency and origin.
        MissingScope: a role of the chain needs a unit that the subject does not name.
        NoApprover: nobody may take a step.
    """
    session, now = uow.session, uow.now
    kind = subjects.of(subject)
    asked = kind.asks(subject)
    facts = kind.facts(session, subject, None)
    threshold = thresholds.require(
        session, currency=asked.currency, origin=asked.origin, amount=asked.amount, at=now
    )
    own = None
    if asked.own_unit_first:
        own = resolution.own_unit(session, requester_id=subject.requester_id)
    barred = duties.others(kind.holders(session, subject), Duty.APPROVER)
    whose = replace(for_resolution(subject, barred), own_first=own)
    chain = resolution.resolve(
        resolution.Policy(
            tier=threshold.tier,
            roles_sequence=threshold.roles_sequence,
            requires_cfo=threshold.requires_cfo,
        ),
        whose,
        resolution.load_people(session, subject=whose, now=now),
    )
    opened = _new_round(
        session,
        subject=subject,
        threshold_id=threshold.id,
        policy=_snapshot(session, threshold, asked=asked, now=now),
        facts=facts,
        override=chain.override,
    )
    steps = [
        _new_step(
            session,
            opened,
            position=position,
            role=link.role,
            original_role=link.original_role,
            user_id=link.user_id,
            scope_id=link.scope_id,
            escalation_reason=link.escalation_reason,
            confirms_urgency=asked.is_urgent and position == 1,
        )
        for position, link in enumerate(chain.steps, start=1)
    ]
    kind.opened(subject, opened, now)
    trail.write(
        session,
        subject,
        TrailAction.SUBMITTED,
        actor=uow.actor,
        role=Role.STAFF.value,
        digest=opened.digest,
        override=chain.override,
        skipped_roles=list(chain.skipped_roles),
    )
    _write_escalations(session, subject, steps)
    open_step(session, subject, steps[0], now=now)
    return opened


def _snapshot(
    session: Session, threshold: ApprovalThreshold, *, asked: Asked, now: datetime
) -> dict[str, Any]:
    """The policy as it stood: what is published later does not touch this round."""
    return {
        "threshold_id": str(threshold.id),
        "version": threshold.version,
        "name": threshold.name,
        "tier": threshold.tier,
        "top_tier": thresholds.top_tier(
            session, currency=asked.currency, origin=asked.origin, at=now
        ),
        "origin": threshold.origin.value,
        "currency": threshold.currency,
        "min_amount": f"{threshold.min_amount:.2f}",
        "max_amount": None if threshold.max_amount is None else f"{threshold.max_amount:.2f}",
        "roles_sequence": list(threshold.roles_sequence),
        "requires_cfo": threshold.requires_cfo,
        "allow_urgent_fasttrack": threshold.allow_urgent_fasttrack,
    }


def _new_round(
    session: Session,
    *,
    subject: SubjectRow,
    threshold_id: UUID,
    policy: dict[str, Any],
    facts: dict[str, Any],
    override: str | None,
) -> ApprovalRound:
    number = session.execute(
        select(func.coalesce(func.max(ApprovalRound.number), 0) + 1).where(
            ApprovalRound.subject_id == subject.id
        )
    ).scalar_one()
    opened = ApprovalRound(
        company_id=subject.company_id,
        subject_kind=subject.subject_kind,
        subject_id=subject.id,
        requester_id=subject.requester_id,
        number=number,
        threshold_id=threshold_id,
        policy=policy,
        facts=facts,
        digest=digest_of(facts),
        status=RoundStatus.OPEN,
        override=override,
    )
    session.add(opened)
    # No relationship tells the session that steps need their round, and assignees their step.
    session.flush()
    return opened


def _new_step(
    session: Session,
    opened: ApprovalRound,
    *,
    position: int,
    role: str,
    original_role: Role,
    user_id: UUID,
    scope_id: UUID | None,
    escalation_reason: str | None,
    confirms_urgency: bool,
) -> ApprovalStep:
    step = ApprovalStep(
        company_id=opened.company_id,
        subject_id=opened.subject_id,
        round_id=opened.id,
        position=position,
        role=role,
        scope_id=scope_id,
        original_role=original_role,
        status=StepStatus.WAITING,
        confirms_urgency=confirms_urgency,
        auto_escalated=escalation_reason is not None,
        escalation_reason=escalation_reason,
    )
    session.add(step)
    session.flush()  # see _new_round
    session.add(
        StepAssignee(
            company_id=opened.company_id, step_id=step.id, round_id=opened.id, user_id=user_id
        )
    )
    return step


def open_step(session: Session, subject: SubjectRow, step: ApprovalStep, *, now: datetime) -> None:
    """Let a step wait for its assignee; the subject's status follows it."""
    step.status = StepStatus.OPEN
    step.opened_at = now
    subjects.of(subject).waits(session, subject, step, now)


def close_step(step: ApprovalStep, status: StepStatus, *, now: datetime) -> None:
    """End a step."""
    step.status = status
    step.closed_at = now


def close_round(
    session: Session, closing: ApprovalRound, status: RoundStatus, *, now: datetime
) -> None:
    """End a round; its steps that nobody decided are void."""
    closing.status = status
    closing.closed_at = now
    for step in steps_of(session, closing.id):
        if step.status in (StepStatus.OPEN, StepStatus.WAITING):
            close_step(step, StepStatus.VOIDED, now=now)
    # The partial unique indexes on open rounds and steps must see these closed before new ones.
    session.flush()


def set_facts(approval_round: ApprovalRound, facts: dict[str, Any]) -> None:
    """Let a round stand for changed facts: earlier digests are stale from now on."""
    approval_round.facts = facts
    approval_round.digest = digest_of(facts)


def last_approval(session: Session, approved: ApprovalRound) -> tuple[ApprovalStep, UUID]:
    """The step of an approved round that was decided last, and who decided it."""
    last = max(
        (step for step in steps_of(session, approved.id) if step.status is StepStatus.APPROVED),
        key=lambda step: step.position,
    )
    (user_id,) = assignees_of(session, approved.id)[last.id]
    return last, user_id


def write_redirect(
    uow: Uow,
    *,
    subject: SubjectRow,
    approved: ApprovalRound,
    facts: dict[str, Any],
    seat: resolution.ChainStep,
) -> ApprovalRound:
    """A round of one step that was decided: somebody approved that the money goes elsewhere.

    The earlier approvals stand, in the round that they were given in.
    """
    session = uow.session
    opened = _new_round(
        session,
        subject=subject,
        threshold_id=approved.threshold_id,
        policy=approved.policy,
        facts=facts,
        override=approved.override,
    )
    step = _new_step(
        session,
        opened,
        position=1,
        role=seat.role,
        original_role=seat.original_role,
        user_id=seat.user_id,
        scope_id=seat.scope_id,
        escalation_reason=seat.escalation_reason,
        confirms_urgency=False,
    )
    step.opened_at = uow.now
    session.flush()  # a decision is an assignee's
    session.add(
        Decision(
            company_id=opened.company_id,
            subject_id=opened.subject_id,
            round_id=opened.id,
            step_id=step.id,
            user_id=seat.user_id,
            role=seat.role,
            verdict=StepDecision.APPROVED,
            digest=opened.digest,
            ip_address=uow.actor.ip_address,
            user_agent=uow.actor.user_agent,
        )
    )
    close_step(step, StepStatus.APPROVED, now=uow.now)
    close_round(session, opened, RoundStatus.APPROVED, now=uow.now)
    return opened


def resolve_anew(
    session: Session, *, subject: SubjectRow, void: frozenset[UUID], now: datetime
) -> ApprovalRound:
    """Open a round in which others take the steps of approvers whose approval is void.

    What waited for a decision comes after it. The other approvals stand, in the rounds that they
    were given in.

    Raises:
        MissingScope, NoApprover: nobody else may take one of the steps.
    """
    kind = subjects.of(subject)
    current = latest(session, subject.id)
    assert current is not None, "what was approved has a round"
    voided = _approved_by(session, subject, void)
    waiting = []
    if current.status is RoundStatus.OPEN:
        waiting = [
            step
            for step in steps_of(session, current.id)
            if step.status in (StepStatus.OPEN, StepStatus.WAITING)
        ]
        close_round(session, current, RoundStatus.HANDED_OVER, now=now)
    for step in voided:
        close_step(step, StepStatus.VOIDED, now=now)
    session.flush()
    known = kind.holders(session, subject)
    again = (*voided, *waiting)
    own = None
    if any(step.scope_id is not None for step in again):
        own = resolution.own_unit(session, requester_id=subject.requester_id)
    # Nobody approves twice, and those who have done so keep their step.
    out = duties.others(known, Duty.APPROVER).keys() | known[Duty.APPROVER]
    whose = replace(for_resolution(subject, out), own_first=own)
    chain = resolution.resolve_steps(
        [step.original_role for step in again if step.scope_id is None],
        policy=resolution.Policy(
            tier=current.policy["tier"],
            roles_sequence=current.policy["roles_sequence"],
            requires_cfo=current.policy["requires_cfo"],
        ),
        subject=whose,
        people=resolution.load_people(session, subject=whose, now=now),
    )
    opened = _new_round(
        session,
        subject=subject,
        threshold_id=current.threshold_id,
        policy=current.policy,
        facts=kind.facts(session, subject, current),
        override=current.override,
    )
    is_urgent = any(step.confirms_urgency for step in waiting)
    reason = "An approval is void: who gave it asks for the money, or gets it."
    steps = [
        _new_step(
            session,
            opened,
            position=position,
            role=link.role,
            original_role=link.original_role,
            user_id=link.user_id,
            scope_id=link.scope_id,
            escalation_reason=reason if position <= len(voided) else link.escalation_reason,
            confirms_urgency=is_urgent and position == len(voided) + 1,
        )
        for position, link in enumerate(chain, start=1)
    ]
    _write_escalations(session, subject, steps)
    open_step(session, subject, steps[0], now=now)
    return opened


def _approved_by(
    session: Session, subject: SubjectRow, people: frozenset[UUID]
) -> list[ApprovalStep]:
    """The steps that these people approved, where that counts; in the order of the chain."""
    return list(
        session.execute(
            select(ApprovalStep)
            .join(ApprovalRound, ApprovalRound.id == ApprovalStep.round_id)
            .join(StepAssignee, StepAssignee.step_id == ApprovalStep.id)
            .where(
                ApprovalStep.subject_id == subject.id,
                ApprovalStep.status == StepStatus.APPROVED,
                ApprovalRound.status.in_(STANDING),
                StepAssignee.user_id.in_(people),
            )
            .order_by(ApprovalRound.number, ApprovalStep.position)
        ).scalars()
    )


def for_resolution(subject: SubjectRow, barred: Iterable[UUID]) -> resolution.ApprovalSubject:
    """The subject as resolution knows it."""
    asked = subjects.of(subject).asks(subject)
    return resolution.ApprovalSubject(
        requester_id=subject.requester_id,
        barred=frozenset(barred),
        department_id=asked.department_id,
        branch_id=asked.branch_id,
        region_id=asked.region_id,
    )


def _write_escalations(
    session: Session, subject: SubjectRow, steps: Sequence[ApprovalStep]
) -> None:
    """Tell which steps are taken by somebody else than the policy named."""
    for step in steps:
        if step.auto_escalated:
            trail.write(
                session,
                subject,
                TrailAction.ESCALATED,
                actor=None,
                role=step.original_role.value,
                auto_escalated=True,
                escalation_reason=step.escalation_reason,
            )


def waiting_steps(steps: Sequence[ApprovalStep]) -> list[ApprovalStep]:
    """Steps that are still to come, in order."""
    return [step for step in steps if step.status is StepStatus.WAITING]
