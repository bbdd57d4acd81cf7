"""Notices about requisitions: to those who decide, to treasury, and to who asked."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalStep, StepAssignee
from pettycash.models.notices import Timing
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services.foundation import duties, live_roles, notices, permissions, requesters
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.notices import NoticeKind, shown, words

R = RequisitionStatus

PAGE = "/console/requisitions/{id}/"

ENDS = {R.REJECTED: "was rejected", R.CANCELLED: "was cancelled"}


def _told(requisition: Requisition, what: str) -> str:
    amount = shown(requisition.amount, requisition.currency)
    return f"A requisition of {amount}, for {words(requisition.purpose)}, {what}."


def _waits(_session: Session, requisition: Requisition) -> str:
    waits = _told(requisition, "waits for your decision")
    return f"{waits} It is urgent." if requisition.is_urgent else waits


WAITS: NoticeKind[Requisition] = notices.declare(
    NoticeKind(
        name="requisition.waits",
        title="Waits for your decision",
        sentence=_waits,
        path=PAGE,
        operation="requisitions.approve",
    )
)

DECIDED: NoticeKind[Requisition] = notices.declare(
    NoticeKind(
        name="requisition.decided",
        title="What you asked for was decided",
        sentence=lambda _session, found: _told(found, ENDS.get(found.status, "was approved")),
        path=PAGE,
        operation="requisitions.create",
    )
)

SENT_BACK: NoticeKind[Requisition] = notices.declare(
    NoticeKind(
        name="requisition.sent_back",
        title="Sent back to you",
        sentence=lambda _session, found: _told(found, "was sent back to you to be changed"),
        path=PAGE,
        operation="requisitions.create",
    )
)

TO_VALIDATE: NoticeKind[Requisition] = notices.declare(
    NoticeKind(
        name="requisition.to_validate",
        title="Waits for treasury",
        sentence=lambda _session, found: _told(found, "was approved and waits to be validated"),
        path="/console/requisitions/?view=to_validate",
        operation="requisitions.validate",
        default=Timing.DAILY,
    )
)


def waits(session: Session, requisition: Requisition, step: ApprovalStep) -> None:
    """A step has opened: tell those who may decide it."""
    session.flush()  # its assignees
    to = session.execute(
        select(StepAssignee.user_id).where(StepAssignee.step_id == step.id)
    ).scalars()
    notices.notice(session, WAITS, to=to, about=requisition, event=step.id)


def decided(session: Session, requisition: Requisition, *, event: UUID, now: datetime) -> None:
    """A round has ended, or somebody else cancelled it: tell who asked and, next, treasury."""
    kind = SENT_BACK if requisition.status is R.CHANGES_REQUESTED else DECIDED
    asked = {requisition.requester_id, requesters.adopter(session, requisition)}
    notices.notice(session, kind, to=asked, about=requisition, event=event)
    if requisition.status is R.PENDING_TREASURY_VALIDATION:
        known = duties.holders(session, requisition_id=requisition.id)
        roles = permissions.PERMISSIONS[TO_VALIDATE.operation]
        officers = live_roles.holders_of(session, *roles, now=now)
        to = officers - set(duties.others(known, Duty.MAKER))
        notices.notice(session, TO_VALIDATE, to=to, about=requisition, event=event)
