"""A requisition as a subject of rounds of approval: its facts, its place, and what follows."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import ApprovalRound, ApprovalStep, RoundStatus
from pettycash.models.requisitions import (
    IN_APPROVAL,
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import db, errors
from pettycash.services.approvals.subjects import Asked, Subject
from pettycash.services.foundation import duties, hooks, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import approved_facts, notices

R = RequisitionStatus

STATUS_OF_ROLE: dict[str, RequisitionStatus] = {
    Role.DEPARTMENT_HEAD: R.PENDING_DEPT_APPROVAL,
    Role.BRANCH_MANAGER: R.PENDING_BRANCH_APPROVAL,
    Role.REGIONAL_MANAGER: R.PENDING_REGIONAL_REVIEW,
    Role.GROUP_FINANCE_MANAGER: R.PENDING_FINANCE_REVIEW,
    Role.CFO: R.PENDING_CFO_APPROVAL,
    Role.CEO: R.PENDING_CEO_APPROVAL,
}
"""The status while a step of this role is open; `pending` where none fits."""


class OwnRequisition(errors.KeptApart):
    """You raised this requisition; another person must decide on it."""

    code = "approval.maker_is_checker"


def _find(uow: Uow, requisition_id: UUID) -> Requisition:
    return visibility.requisition(uow, requisition_id=requisition_id, lock=True)


def _asks(requisition: Requisition) -> Asked:
    return Asked(
        amount=requisition.amount,
        currency=requisition.currency,
        origin=requisition.origin,
        department_id=requisition.department_id,
        branch_id=requisition.branch_id,
        region_id=requisition.region_id,
        own_unit_first=requisition.origin_reason is not None,
        is_urgent=requisition.is_urgent,
    )


def _check_waiting(requisition: Requisition) -> None:
    if requisition.status not in IN_APPROVAL:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} waits for no decision."
        )


def _opened(requisition: Requisition, opened: ApprovalRound, now: datetime) -> None:
    requisition.tier = opened.policy["tier"]
    requisition.submitted_at = now


def _waits(session: Session, requisition: Requisition, step: ApprovalStep, now: datetime) -> None:
    waiting = STATUS_OF_ROLE.get(step.role, R.PENDING)
    if step.confirms_urgency:
        waiting = R.PENDING_URGENCY_CONFIRMATION
    requisition.move_to(waiting, at=now)
    notices.waits(session, requisition, step)


def _decided(
    session: Session, requisition: Requisition, decided: ApprovalRound, now: datetime
) -> None:
    if decided.status is RoundStatus.REJECTED:
        requisition.move_to(R.REJECTED, at=now)
    elif decided.status is RoundStatus.CHANGES_REQUESTED:
        requisition.move_to(R.CHANGES_REQUESTED, at=now)
    else:
        requisition.approved_amount = requisition.amount
        requisition.approved_digest = decided.digest
        requisition.approved_at = now
        requisition.move_to(R.PENDING_TREASURY_VALIDATION, at=now)
        hooks.on_final_approval(session, requisition, now)
    notices.decided(session, requisition, event=decided.id, now=now)


SUBJECT = Subject(
    kind=Requisition.subject_kind,
    find=_find,
    lock=lambda session, requisition_id: db.lock(session, Requisition, requisition_id),
    asks=_asks,
    facts=approved_facts.facts_of,
    holders=lambda session, found: duties.holders(session, requisition_id=found.id),
    check_waiting=_check_waiting,
    opened=_opened,
    waits=_waits,
    decided=_decided,
    not_waiting=IllegalRequisitionState,
    own=OwnRequisition,
)
