"""Leaving: the work of a person who leaves or loses a role goes to others (control.md §6).

Leaving is never refused. A worker does it, requisition by requisition, so that a busy approver's
leaving keeps nobody's locks; `audit books --running` finds what still waits for somebody who can't
act.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, literal, select, update
from sqlalchemy.orm import Session

from pettycash.models.access import Role, RoleAssignment
from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    RoundStatus,
    StepAssignee,
    StepStatus,
)
from pettycash.models.imprest import Store
from pettycash.models.operations import Case, CaseKind, CaseStatus, Severity
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.runtime.rails import Method
from pettycash.services.approvals import resolution, rounds
from pettycash.services.foundation import outbox, requesters, security_log
from pettycash.services.foundation.departures import TOPIC, enqueue
from pettycash.services.foundation.live_roles import live_assignments
from pettycash.services.operations import cases, security_alerts

OFFICERS = frozenset({Role.TREASURY, Role.CFO})
"""Roles that release what is no cash; a fund's custodians release its cash."""

WAITING = (StepStatus.OPEN, StepStatus.WAITING)


def waiting(session: Session, *, user_id: UUID) -> Sequence[UUID]:
    """The requisitions in which a step waits, or will wait, for a person."""
    return (
        session.execute(
            select(ApprovalStep.requisition_id)
            .join(StepAssignee, StepAssignee.step_id == ApprovalStep.id)
            .join(ApprovalRound, ApprovalRound.id == ApprovalStep.round_id)
            .where(
                StepAssignee.user_id == user_id,
                ApprovalStep.status.in_(WAITING),
                ApprovalRound.status == RoundStatus.OPEN,
            )
            .distinct()
            .order_by(ApprovalStep.requisition_id)
        )
        .scalars()
        .all()
    )


def hand_over_step(session: Session, *, requisition_id: UUID, user_id: UUID, now: datetime) -> None:
    """Resolve the steps of a requisition anew where one waits for a person who can't decide it.

    Where nobody else may take it either, a case tells those who can name somebody.
    """
    requisition = db.lock(session, Requisition, requisition_id)
    current = None if requisition is None else rounds.latest(session, requisition_id)
    if requisition is None or current is None or current.status is not RoundStatus.OPEN:
        return
    assigned = rounds.assignees_of(session, current.id)
    is_stuck = any(
        user_id in assigned.get(step.id, ())
        and not resolution.holds_step_role(
            session, user_id=user_id, role=step.role, requisition=requisition, now=now
        )
        for step in rounds.steps_of(session, current.id)
        if step.status in WAITING
    )
    if not is_stuck:
        return
    try:
        with session.begin_nested():
            rounds.resolve_anew(session, requisition=requisition, void=frozenset(), now=now)
    except (resolution.NoApprover, resolution.MissingScope) as refusal:
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            object_type="requisition",
            object_id=requisition.id,
            summary=f"{requisition.number} waits for somebody who left, and for nobody else.",
            evidence={"waits_for": str(user_id), "refusal": refusal.detail},
            severity=Severity.SEVERE,
        )


def releases_of(session: Session, *, user_id: UUID, now: datetime) -> Sequence[UUID]:
    """Payments that a person had taken on to release, who may release them no more."""
    held = _live(session, user_id, now=now)
    keeps = [each.scope_id for each in held if each.role is Role.CUSTODIAN]
    is_officer = any(each.role in OFFICERS for each in held)
    return (
        session.execute(
            select(Payment.id)
            .join(Store, Store.id == Payment.store_id)
            .where(
                Payment.executor_id == user_id,
                Payment.status.in_((PaymentStatus.PENDING, PaymentStatus.FAILED)),
                case(
                    (Payment.method == Method.CASH, Store.fund_id.not_in(keeps)),
                    else_=literal(not is_officer),
                ),
            )
            .order_by(Payment.id)
        )
        .scalars()
        .all()
    )


def give_back_release(session: Session, *, payment_id: UUID, user_id: UUID) -> None:
    """Let others release a payment that a person had taken on."""
    known = session.get_one(Payment, payment_id)
    db.lock(session, Requisition, known.requisition_id)  # before its payment, as everybody
    payment = db.lock(session, Payment, payment_id)
    if payment is not None and payment.executor_id == user_id:
        payment.executor_id = None
        payment.version += 1


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


def role_as_manager(
    session: Session, requisition: Requisition, *, user_id: UUID, now: datetime
) -> str | None:
    """The role by which a person is the manager of a requisition's requester; None: they are not.

    That is whoever approves first for the requester's own unit, as at submit, or could as well.
    """
    try:
        step = _manager(session, requisition, now=now)
    except resolution.NoApprover:
        return None
    is_manager = user_id != requisition.requester_id and resolution.holds_step_role(
        session,
        user_id=user_id,
        role=step.role,
        scope_id=step.scope_id,
        requisition=requisition,
        now=now,
    )
    return step.role if is_manager else None


def _manager(session: Session, requisition: Requisition, *, now: datetime) -> resolution.ChainStep:
    own = resolution.own_unit(session, requester_id=requisition.requester_id)
    return resolution.manager(
        own,
        user_id=requisition.requester_id,
        people=resolution.load_people(session, requisition=requisition, own=own, now=now),
    )


def notify_manager(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Tell the manager of somebody who left what they had raised; it is cancelled or adopted.

    Where they have no manager but the escalation approver, a case tells those who can name one.
    """
    raised = (
        session.execute(
            select(Requisition)
            .where(Requisition.requester_id == user_id, requesters.left_behind())
            .order_by(Requisition.id)
        )
        .scalars()
        .all()
    )
    if not raised:
        return
    numbers = [each.number for each in raised]
    try:
        manager = _manager(session, raised[0], now=now)
    except resolution.NoApprover:
        manager = None
    if manager is None or manager.role == resolution.ESCALATION_APPROVER:
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            object_type="user",
            object_id=user_id,
            summary="Somebody left, and nobody manages what they had raised.",
            evidence={"requisitions": numbers},
            severity=Severity.SEVERE,
        )
        return
    event_id = security_log.record(
        session,
        event=security_alerts.LEFT_BEHIND,
        outcome="ok",
        detail={
            "subject_id": str(user_id),
            "manager_id": str(manager.user_id),
            "requisitions": numbers,
        },
    )
    security_alerts.enqueue(session, event_id=event_id)


def _live(session: Session, user_id: UUID, *, now: datetime) -> Sequence[RoleAssignment]:
    return (
        session.execute(live_assignments(now).where(RoleAssignment.user_id == user_id))
        .scalars()
        .all()
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
