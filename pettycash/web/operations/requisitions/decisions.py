"""Decisions about a requisition: its approvers', treasury's, and the review afterwards."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pettycash.models.requisitions import IllegalRequisitionState, Requisition
from pettycash.services import requisitions
from pettycash.services.approvals.deciding import (
    NotAnApprover,
    NotYourTurn,
    RoleLost,
    StaleDigest,
    StepAlreadyDecided,
)
from pettycash.services.approvals.resolution.core import MissingScope, NoApprover
from pettycash.services.foundation.duties import ApprovalVoid, NotSeparate
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import RequisitionNotFound
from pettycash.services.payments import treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.payments.rules import UNFIT
from pettycash.services.requisitions import approval, deciding
from pettycash.services.requisitions.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.requisitions.deciding import Urgency
from pettycash.services.requisitions.lifecycle import (
    HoldUnchanged,
    NothingPaid,
    NotIndependent,
    PartyToIt,
    PaymentsUnderWay,
)
from pettycash.web.etags import Tagged
from pettycash.web.operations import operation
from pettycash.web.operations.payments.conflicts import settled
from pettycash.web.operations.requisitions.requisitions import shown
from pettycash.web.refusals import refuses
from pettycash.web.schemas import requisitions as shapes
from pettycash.web.schemas.requisition_examples import (
    EXAMPLE_DIGEST,
    EXAMPLE_IN_PAYMENT,
    example_in,
)

A_DECISION = (
    IllegalRequisitionState,
    InvalidText,
    NotAnApprover,
    NotSeparate,
    NotYourTurn,
    approval.OwnRequisition,
    RequisitionNotFound,
    RoleLost,
    StaleDigest,
    StepAlreadyDecided,
)

A_YES = (*A_DECISION, MissingScope, NoApprover)
"""After which the next step may need an approver who is not there."""

YES = {"decision_digest": EXAMPLE_DIGEST, "comment": "Fine."}

NO = {"decision_digest": EXAMPLE_DIGEST, "comment": "The quotation is missing."}


def _acted(
    uow: Uow, verb: Callable[..., Requisition], requisition_id: UUID, **facts: Any
) -> Tagged:
    """Let a service act for the caller, and show what stands there then."""
    return shown(uow, verb(uow, requisition_id=requisition_id, **facts))


@operation(
    "requisitions.approve",
    takes=shapes.RequisitionApproveSchema,
    given=YES,
    answers=shapes.RequisitionDetailSchema,
    example=example_in("pending_treasury_validation"),
    etag=True,
)
@refuses(*A_YES, deciding.UrgencyUnanswered)
def approve(uow: Uow, *, requisition_id: UUID, comment: str | None, decision_digest: str) -> Tagged:
    """Approve the step of a submitted requisition that waits for you."""
    return _acted(uow, deciding.approve, requisition_id, digest=decision_digest, comment=comment)


@operation(
    "requisitions.reject",
    takes=shapes.RequisitionRefuseSchema,
    given=NO,
    answers=shapes.RequisitionDetailSchema,
    example=example_in("rejected"),
    etag=True,
)
@refuses(*A_DECISION)
def reject(uow: Uow, *, requisition_id: UUID, comment: str, decision_digest: str) -> Tagged:
    """Reject a requisition whose step waits for you, with a reason."""
    return _acted(uow, deciding.reject, requisition_id, digest=decision_digest, comment=comment)


@operation(
    "requisitions.request_changes",
    takes=shapes.RequisitionRefuseSchema,
    given=NO,
    answers=shapes.RequisitionDetailSchema,
    example=example_in("changes_requested"),
    etag=True,
)
@refuses(*A_DECISION)
def request_changes(
    uow: Uow, *, requisition_id: UUID, comment: str, decision_digest: str
) -> Tagged:
    """Send a requisition whose step waits for you back to its requester, saying why."""
    return _acted(
        uow, deciding.request_changes, requisition_id, digest=decision_digest, comment=comment
    )


@operation(
    "requisitions.confirm_urgency",
    takes=shapes.RequisitionUrgencySchema,
    given=YES | {"urgency": "confirmed"},
    answers=shapes.RequisitionDetailSchema,
    example=example_in("pending_finance_review"),
    etag=True,
)
@refuses(*A_YES, deciding.NoUrgencyQuestion)
def confirm_urgency(
    uow: Uow, *, requisition_id: UUID, comment: str | None, urgency: Urgency, decision_digest: str
) -> Tagged:
    """Answer an urgent requisition as its first approver.

    Confirmed is your approval too, and where the policy allows it only the last approver is
    asked after you. Refused leaves your step open for the ordinary decision.
    """
    return _acted(
        uow,
        deciding.confirm_urgency,
        requisition_id,
        urgency=urgency,
        digest=decision_digest,
        comment=comment,
    )


@operation(
    "requisitions.validate",
    takes=shapes.RequisitionValidateSchema,
    given=YES | {"parts": [{"amount": "1000.00"}, {"amount": "500.00"}]},
    answers=shapes.RequisitionDetailSchema,
    example=EXAMPLE_IN_PAYMENT,
    etag=True,
)
@refuses(
    *UNFIT,
    ApprovalVoid,
    IllegalRequisitionState,
    treasury_validation.InvalidParts,
    InvalidText,
    treasury_validation.NobodyLeft,
    treasury_validation.OnHold,
    PartyToIt,
    RedirectNeeded,
    RedirectOpen,
    RequisitionNotFound,
    StaleDigest,
)
def validate(
    uow: Uow, *, requisition_id: UUID, comment: str | None, decision_digest: str, parts: Any
) -> Tagged:
    """Take an approved requisition over: one payment for all of it, or the listed parts.

    You are the maker of the payments, so somebody else releases them; in a small team only
    where you split. Where they go was approved: another destination is a redirect.
    """
    with settled(uow, requisition_id=requisition_id):
        found, _ = treasury_validation.validate(
            uow,
            requisition_id=requisition_id,
            digest=decision_digest,
            parts=None if parts is None else [PaymentPart(**part) for part in parts],
            comment=comment,
        )
    return shown(uow, found)


@operation(
    "requisitions.return",
    takes=shapes.RequisitionReasonSchema,
    given={"comment": "The number is not the payee's."},
    answers=shapes.RequisitionDetailSchema,
    example=example_in("changes_requested"),
    etag=True,
)
@refuses(IllegalRequisitionState, InvalidText, PartyToIt, RequisitionNotFound)
def return_to_requester(uow: Uow, *, requisition_id: UUID, comment: str) -> Tagged:
    """Send an approved requisition back to its requester; it goes through approval again."""
    return _acted(uow, requisitions.return_to_requester, requisition_id, comment=comment)


@operation(
    "requisitions.hold",
    takes=shapes.RequisitionHoldSchema,
    given={"held": True, "comment": "Waiting for the invoice."},
    answers=shapes.RequisitionDetailSchema,
    example=example_in(
        "pending_treasury_validation",
        held_at="2026-11-20T10:00:00+00:00",
        hold_reason="Waiting for the invoice.",
    ),
    etag=True,
)
@refuses(HoldUnchanged, IllegalRequisitionState, InvalidText, PartyToIt, RequisitionNotFound)
def hold(uow: Uow, *, requisition_id: UUID, comment: str, held: bool) -> Tagged:
    """Put an approved requisition on hold, or take it off hold with `held: false`."""
    verb = requisitions.put_on_hold if held else requisitions.take_off_hold
    return _acted(uow, verb, requisition_id, comment=comment)


@operation(
    "requisitions.close_short",
    takes=shapes.RequisitionReasonSchema,
    given={"comment": "The rest is not needed."},
    answers=shapes.RequisitionDetailSchema,
    example=example_in("closed_short"),
    etag=True,
)
@refuses(
    IllegalRequisitionState,
    InvalidText,
    NothingPaid,
    PartyToIt,
    PaymentsUnderWay,
    RequisitionNotFound,
)
def close_short(uow: Uow, *, requisition_id: UUID, comment: str) -> Tagged:
    """Let the remainder of a partly paid requisition go."""
    return _acted(uow, requisitions.close_short, requisition_id, comment=comment)


@operation(
    "requisitions.review",
    takes=shapes.RequisitionCommentSchema,
    given={"comment": "Receipt seen."},
    answers=shapes.RequisitionDetailSchema,
    example=example_in("reviewed"),
    etag=True,
)
@refuses(IllegalRequisitionState, InvalidText, NotIndependent, RequisitionNotFound)
def review(uow: Uow, *, requisition_id: UUID, comment: str | None) -> Tagged:
    """Review a requisition that was paid or closed short, as somebody without a part in it."""
    return _acted(uow, requisitions.review, requisition_id, comment=comment)
