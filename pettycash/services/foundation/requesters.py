"""A requisition is its requester's and, once they left, the manager's who adopted it.

An adoption is a row of the trail. Facts, number and requester stay; the adopter is a requester too.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from pettycash.models.access import RoleAssignment
from pettycash.models.approvals import ApprovalTrail
from pettycash.models.requisitions import IN_APPROVAL, Requisition, RequisitionStatus
from pettycash.services.foundation.live_roles import live_assignments
from pettycash.services.foundation.permissions import REQUESTERS

R = RequisitionStatus

ADOPTED = "adopted"
"""`override` of the trail's row by which a manager took over; `duty_holders` reads it too."""

ANSWERED = frozenset({R.DRAFT, R.CHANGES_REQUESTED, R.PENDING_TREASURY_VALIDATION}) | IN_APPROVAL
"""States in which the requester may still have to answer."""


def answering() -> Select[UUID]:
    """Select the people who hold a role with which one answers for what one raised."""
    return (
        live_assignments(func.now())
        .where(RoleAssignment.role.in_(REQUESTERS))
        .with_only_columns(RoleAssignment.user_id)
        .order_by(None)
    )


def left_behind() -> ColumnElement[bool]:
    """Open requisitions whose requester can't answer any more, nor anybody who adopted them."""
    adopted = select(ApprovalTrail.id).where(
        ApprovalTrail.company_id == Requisition.company_id,
        ApprovalTrail.subject_id == Requisition.id,
        ApprovalTrail.override == ADOPTED,
        ApprovalTrail.user_id.in_(answering()),
    )
    return and_(
        Requisition.status.in_(ANSWERED),
        Requisition.requester_id.not_in(answering()),
        ~adopted.exists(),
    )


def adopted_by(user_id: UUID) -> ColumnElement[bool]:
    """Requisitions of people who left, which a person adopted."""
    adopted = select(ApprovalTrail.id).where(
        ApprovalTrail.company_id == Requisition.company_id,
        ApprovalTrail.subject_id == Requisition.id,
        ApprovalTrail.override == ADOPTED,
        ApprovalTrail.user_id == user_id,
    )
    return and_(Requisition.requester_id.not_in(answering()), adopted.exists())


def has_left(session: Session, user_id: UUID) -> bool:
    """Whether a person can't answer any more for what they raised."""
    found = session.execute(answering().where(RoleAssignment.user_id == user_id).limit(1))
    return found.first() is None


def raised_by(session: Session, user_id: UUID) -> Mapping[UUID, str]:
    """Key and number of what a person raised and may still have to answer for."""
    rows = session.execute(
        select(Requisition.id, Requisition.number)
        .where(Requisition.requester_id == user_id, Requisition.status.in_(ANSWERED))
        .order_by(Requisition.id)
    )
    return {row.id: row.number for row in rows}


def adopter(session: Session, requisition: Requisition) -> UUID | None:
    """The person who adopted it last."""
    return session.execute(
        select(ApprovalTrail.user_id)
        .where(
            ApprovalTrail.company_id == requisition.company_id,
            ApprovalTrail.subject_id == requisition.id,
            ApprovalTrail.override == ADOPTED,
        )
        .order_by(ApprovalTrail.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def is_own(session: Session, requisition: Requisition, *, user_id: UUID) -> bool:
    """Whether a person raised it, or adopted it last."""
    return requisition.requester_id == user_id or adopter(session, requisition) == user_id
