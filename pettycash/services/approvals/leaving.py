"""Leaving: the work of a person who leaves or loses a role goes to others (control.md §6).

Leaving is never refused. A worker does it, subject by subject, so that a busy approver's
leaving keeps nobody's locks; `audit books --running` finds what still waits for somebody who can't
act.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from pettycash.models.access import RoleAssignment
from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    RoundStatus,
    StepAssignee,
    StepStatus,
)
from pettycash.models.operations import Case, CaseKind, CaseStatus, Severity
from pettycash.services.approvals import resolution, rounds, subjects
from pettycash.services.foundation import outbox
from pettycash.services.foundation.departures import TOPIC, enqueue
from pettycash.services.operations import cases

WAITING = (StepStatus.OPEN, StepStatus.WAITING)


def waiting(session: Session, *, user_id: UUID) -> Sequence[tuple[str, UUID]]:
    """Kind and key of the subjects in which a step waits, or will wait, for a person."""
    rows = session.execute(
        select(ApprovalRound.subject_kind, ApprovalRound.subject_id)
        .join(ApprovalStep, ApprovalStep.round_id == ApprovalRound.id)
        .join(StepAssignee, StepAssignee.step_id == ApprovalStep.id)
        .where(
            StepAssignee.user_id == user_id,
            ApprovalStep.status.in_(WAITING),
            ApprovalRound.status == RoundStatus.OPEN,
        )
        .distinct()
        .order_by(ApprovalRound.subject_id)
    )
    return [(kind, subject_id) for kind, subject_id in rows]


def hand_over_step(
    session: Session, *, kind: str, subject_id: UUID, user_id: UUID, now: datetime
) -> None:
    """Resolve the steps of a subject anew where one waits for a person who can't decide it.

    Where nobody else may take it either, a case tells those who can name somebody.
    """
    subject = subjects.of_kind(kind).lock(session, subject_id)
    current = None if subject is None else rounds.latest(session, subject_id)
    if subject is None or current is None or current.status is not RoundStatus.OPEN:
        return
    assigned = rounds.assignees_of(session, current.id)
    is_stuck = any(
        user_id in assigned.get(step.id, ())
        and not resolution.holds_step_role(
            session,
            user_id=user_id,
            role=step.role,
            subject=rounds.for_resolution(subject, ()),
            now=now,
        )
        for step in rounds.steps_of(session, current.id)
        if step.status in WAITING
    )
    if not is_stuck:
        return
    try:
        with session.begin_nested():
            rounds.resolve_anew(session, subject=subject, void=frozenset(), now=now)
    except (resolution.NoApprover, resolution.MissingScope) as refusal:
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            object_type=kind,
            object_id=subject_id,
            summary=f"{subject.number} waits for somebody who left, and for nobody else.",
            evidence={"waits_for": str(user_id), "refusal": refusal.detail},
            severity=Severity.SEVERE,
        )


def give_back_cases(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Take the cases of a person who looks after none any more off their desk.

    Those of the company's escalation approver go to whom it names now: nobody else would end them.
    """
    if cases.may_own(session, user_id, now):
        return
    by_role = select(RoleAssignment.id).where(
        RoleAssignment.user_id == user_id, RoleAssignment.role.in_(cases.OWNERS)
    )
    heir = None
    if session.execute(by_role.limit(1)).first() is None:
        heir = resolution.escalation_approver(session)
    session.execute(
        update(Case)
        .where(Case.owner_id == user_id, Case.status != CaseStatus.RESOLVED)
        .values(owner_id=heir, version=Case.version + 1)
    )


def done(session: Session, *, user_id: UUID, now: datetime) -> None:
    """All of it is in other hands, until the next of their roles ends."""
    outbox.complete(session, topic=TOPIC, key=user_id)
    next_end = session.execute(
        select(func.min(RoleAssignment.valid_until)).where(
            RoleAssignment.user_id == user_id, RoleAssignment.valid_until > now
        )
    ).scalar_one()
    if next_end is not None:
        enqueue(session, user_id=user_id, at=next_end)
