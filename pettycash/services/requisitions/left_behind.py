"""Requisitions of people who left: their manager cancels or adopts them (control.md §6)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.operations import CaseKind, Severity
from pettycash.models.requisitions import Requisition
from pettycash.services.approvals import resolution, rounds
from pettycash.services.foundation import requesters, security_log
from pettycash.services.operations import cases, security_alerts


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
        subject=rounds.for_resolution(requisition, ()),
        now=now,
    )
    return step.role if is_manager else None


def _manager(session: Session, requisition: Requisition, *, now: datetime) -> resolution.ChainStep:
    own = resolution.own_unit(session, requester_id=requisition.requester_id)
    subject = resolution.ApprovalSubject(requester_id=requisition.requester_id, own_first=own)
    return resolution.manager(
        own,
        user_id=requisition.requester_id,
        people=resolution.load_people(session, subject=subject, now=now),
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
