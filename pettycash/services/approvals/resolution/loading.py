"""The snapshot of people that resolution works on, taken in the company's own scope."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import Branch, Membership, Role, RoleAssignment, User
from pettycash.models.approvals import ApprovalStep, StepAssignee, StepStatus
from pettycash.services.approvals.resolution.core import (
    ESCALATION_APPROVER,
    RANKS,
    ApprovalSubject,
    Holder,
    OwnUnit,
    People,
)
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.live_roles import live_assignments


def own_unit(session: Session, *, requester_id: UUID) -> OwnUnit:
    """The requester's own unit: what their own origin leads to (control.md §3)."""
    membership = session.execute(
        select(Membership).where(Membership.user_id == requester_id)
    ).scalar_one()
    branch = session.get(Branch, membership.branch_id) if membership.branch_id else None
    if branch is not None and not branch.is_head_office:
        role = Role.BRANCH_MANAGER
    elif membership.department_id is not None:
        role = Role.DEPARTMENT_HEAD
    elif branch is not None:
        role = Role.BRANCH_MANAGER
    elif membership.region_id is not None:
        role = Role.REGIONAL_MANAGER
    else:
        role = Role.GROUP_FINANCE_MANAGER
    return OwnUnit(
        role=role,
        department_id=membership.department_id,
        branch_id=membership.branch_id,
        region_id=membership.region_id if branch is None else branch.region_id,
    )


def load_people(session: Session, *, subject: ApprovalSubject, now: datetime) -> People:
    """Take the snapshot for one subject: approving ranks in its units, its requester's roles.

    Where the requester's own unit comes first, its ranks too. Row-level security keeps it within
    the company.
    """
    units = [
        unit
        for of in (subject, subject.own_first)
        if of is not None
        for unit in (of.department_id, of.branch_id, of.region_id)
        if unit is not None
    ]
    rows = session.execute(
        live_assignments(now).where(
            or_(
                and_(
                    RoleAssignment.role.in_(RANKS),
                    or_(RoleAssignment.scope_id.is_(None), RoleAssignment.scope_id.in_(units)),
                ),
                and_(
                    RoleAssignment.role == Role.TREASURY,
                    RoleAssignment.user_id == subject.requester_id,
                ),
            )
        )
    ).scalars()
    holders = tuple(
        Holder(user_id=row.user_id, role=row.role, scope_id=row.scope_id) for row in rows
    )
    return People(
        holders=holders,
        open_approvals=_open_approvals(session, {holder.user_id for holder in holders}),
        escalation_approver_id=escalation_approver(session),
    )


def _open_approvals(session: Session, people: set[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(StepAssignee.user_id, func.count().label("waiting"))
        .join(ApprovalStep, ApprovalStep.id == StepAssignee.step_id)
        .where(ApprovalStep.status == StepStatus.OPEN, StepAssignee.user_id.in_(people))
        .group_by(StepAssignee.user_id)
    )
    return {row.user_id: row.waiting for row in rows}


def escalation_approver(session: Session) -> UUID | None:
    """The company's escalation approver, if still active."""
    named = company_settings.current(session).escalation_approver_id
    if named is None:
        return None
    return session.execute(
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.user_id == named, Membership.is_active, User.is_active)
    ).scalar_one_or_none()


def holds_step_role(
    session: Session,
    *,
    user_id: UUID,
    role: str,
    scope_id: UUID | None = None,
    subject: ApprovalSubject,
    now: datetime,
) -> bool:
    """Whether a person still stands where the step was given to them (defect D14).

    `scope_id` is the step's own unit, where that is not the subject's.

    A role that ended, a person who was moved or deactivated, or a company that named another
    escalation approver since: then the step is not theirs to decide any more.
    """
    if role == ESCALATION_APPROVER:
        return escalation_approver(session) == user_id
    unit_of = {
        Role.DEPARTMENT_HEAD: subject.department_id,
        Role.BRANCH_MANAGER: subject.branch_id,
        Role.REGIONAL_MANAGER: subject.region_id,
    }
    scope_id = scope_id or unit_of.get(Role(role))
    in_scope = (
        RoleAssignment.scope_id.is_(None)
        if scope_id is None
        else RoleAssignment.scope_id == scope_id
    )
    return (
        session.execute(
            live_assignments(now)
            .where(RoleAssignment.user_id == user_id, RoleAssignment.role == Role(role), in_scope)
            .limit(1)
        ).scalar_one_or_none()
        is not None
    )
