"""Decisions about a requisition: its approvers', treasury's, and the review afterwards."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.approvals.conflicts import settled
from pettycash.api.blueprints import Blueprint
from pettycash.api.requisitions.requisitions import to_response
from pettycash.models.requisitions import IllegalRequisitionState, Requisition
from pettycash.runtime.db import transaction
from pettycash.services import requisitions
from pettycash.services.approvals import deciding
from pettycash.services.approvals.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.approvals.deciding import (
    NotAnApprover,
    NotYourTurn,
    NoUrgencyQuestion,
    OwnRequisition,
    RoleLost,
    StaleDigest,
    StepAlreadyDecided,
    UrgencyUnanswered,
)
from pettycash.services.approvals.resolution.core import MissingScope, NoApprover
from pettycash.services.foundation.duties import ApprovalVoid, NotSeparate
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.visibility import RequisitionNotFound
from pettycash.services.payments import treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.payments.rules import UNFIT
from pettycash.services.payments.treasury_validation import InvalidParts, NobodyLeft, OnHold
from pettycash.services.requisitions.lifecycle import (
    HoldUnchanged,
    NothingPaid,
    NotIndependent,
    PartyToIt,
    PaymentsUnderWay,
)
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.refusals import refuses
from pettycash.web.schemas.requisition_examples import (
    EXAMPLE_DIGEST,
    EXAMPLE_IN_PAYMENT,
    example_in,
)
from pettycash.web.schemas.requisitions import (
    RequisitionApproveSchema,
    RequisitionCommentSchema,
    RequisitionDetailSchema,
    RequisitionHoldSchema,
    RequisitionReasonSchema,
    RequisitionRefuseSchema,
    RequisitionUrgencySchema,
    RequisitionValidateSchema,
)

blp = Blueprint(
    "requisition-decisions",
    __name__,
    url_prefix="/api/requisitions",
    description="What others decide about a requisition. Every decision sends back the"
    " `decision_digest` of what was read.",
)

A_DECISION = (
    RequisitionNotFound,
    IllegalRequisitionState,
    InvalidText,
    OwnRequisition,
    MissingScope,
    NoApprover,
    NotAnApprover,
    NotSeparate,
    NotYourTurn,
    RoleLost,
    StaleDigest,
    StepAlreadyDecided,
)
YES = {"decision_digest": EXAMPLE_DIGEST, "comment": "Fine."}
NO = {"decision_digest": EXAMPLE_DIGEST, "comment": "The quotation is missing."}


def _acted(verb: Callable[..., Requisition], requisition_id: UUID, **facts: Any) -> dict[str, Any]:
    """Let a service act for the caller, and show what stands there then."""
    actor = current_actor()
    with transaction() as session:
        facts |= {"actor": actor, "now": session.info["now"]}
        return to_response(session, verb(session, requisition_id=requisition_id, **facts))


@blp.route("/<uuid:requisition_id>/approve/")
class RequisitionApproval(MethodView):
    @operation("requisitions.approve")
    @idempotent()
    @blp.arguments(RequisitionApproveSchema, example=YES)
    @blp.response(200, RequisitionDetailSchema, example=example_in("pending_treasury_validation"))
    @refuses(*A_DECISION, UrgencyUnanswered)
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Approve the step of a submitted requisition that waits for you."""
        return _acted(
            deciding.approve,
            requisition_id,
            digest=body["decision_digest"],
            comment=body["comment"],
        )


@blp.route("/<uuid:requisition_id>/reject/")
class RequisitionRejection(MethodView):
    @operation("requisitions.reject")
    @idempotent()
    @blp.arguments(RequisitionRefuseSchema, example=NO)
    @blp.response(200, RequisitionDetailSchema, example=example_in("rejected"))
    @refuses(
        IllegalRequisitionState,
        InvalidText,
        NotAnApprover,
        NotSeparate,
        NotYourTurn,
        OwnRequisition,
        RequisitionNotFound,
        RoleLost,
        StaleDigest,
        StepAlreadyDecided,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Reject a requisition whose step waits for you, with a reason."""
        return _acted(
            deciding.reject,
            requisition_id,
            digest=body["decision_digest"],
            comment=body["comment"],
        )


@blp.route("/<uuid:requisition_id>/request_changes/")
class ChangeRequest(MethodView):
    @operation("requisitions.request_changes")
    @idempotent()
    @blp.arguments(RequisitionRefuseSchema, example=NO)
    @blp.response(200, RequisitionDetailSchema, example=example_in("changes_requested"))
    @refuses(
        IllegalRequisitionState,
        InvalidText,
        NotAnApprover,
        NotSeparate,
        NotYourTurn,
        OwnRequisition,
        RequisitionNotFound,
        RoleLost,
        StaleDigest,
        StepAlreadyDecided,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Send a requisition whose step waits for you back to its requester, saying why."""
        return _acted(
            deciding.request_changes,
            requisition_id,
            digest=body["decision_digest"],
            comment=body["comment"],
        )


@blp.route("/<uuid:requisition_id>/confirm_urgency/")
class UrgencyAnswer(MethodView):
    @operation("requisitions.confirm_urgency")
    @idempotent()
    @blp.arguments(RequisitionUrgencySchema, example=YES | {"urgency": "confirmed"})
    @blp.response(200, RequisitionDetailSchema, example=example_in("pending_finance_review"))
    @refuses(*A_DECISION, NoUrgencyQuestion)
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Answer an urgent requisition as its first approver.

        Confirmed is your approval too, and where the policy allows it only the last approver is
        asked after you. Refused leaves your step open for the ordinary decision.
        """
        return _acted(
            deciding.confirm_urgency,
            requisition_id,
            urgency=body["urgency"],
            digest=body["decision_digest"],
            comment=body["comment"],
        )


@blp.route("/<uuid:requisition_id>/validate/")
class Validation(MethodView):
    @operation("requisitions.validate")
    @idempotent()
    @blp.arguments(
        RequisitionValidateSchema,
        example=YES | {"parts": [{"amount": "1000.00"}, {"amount": "500.00"}]},
    )
    @blp.response(200, RequisitionDetailSchema, example=EXAMPLE_IN_PAYMENT)
    @refuses(
        *UNFIT,
        ApprovalVoid,
        IllegalRequisitionState,
        InvalidParts,
        InvalidText,
        NobodyLeft,
        OnHold,
        PartyToIt,
        RedirectNeeded,
        RedirectOpen,
        RequisitionNotFound,
        StaleDigest,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Take an approved requisition over: one payment for all of it, or the listed parts.

        You are the maker of the payments, so somebody else releases them; in a small team only
        where you split. Where they go was approved: another destination is a redirect.
        """
        actor = current_actor()
        parts = body["parts"]
        with transaction() as session:
            with settled(session, requisition_id=requisition_id):
                found, _ = treasury_validation.validate(
                    session,
                    requisition_id=requisition_id,
                    digest=body["decision_digest"],
                    parts=None if parts is None else [PaymentPart(**part) for part in parts],
                    comment=body["comment"],
                    actor=actor,
                    now=session.info["now"],
                )
            return to_response(session, found)


@blp.route("/<uuid:requisition_id>/return/")
class Return(MethodView):
    @operation("requisitions.return")
    @idempotent()
    @blp.arguments(RequisitionReasonSchema, example={"comment": "The number is not the payee's."})
    @blp.response(200, RequisitionDetailSchema, example=example_in("changes_requested"))
    @refuses(IllegalRequisitionState, InvalidText, PartyToIt, RequisitionNotFound)
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Send an approved requisition back to its requester; it goes through approval again."""
        return _acted(requisitions.return_to_requester, requisition_id, comment=body["comment"])


@blp.route("/<uuid:requisition_id>/hold/")
class RequisitionHold(MethodView):
    @operation("requisitions.hold")
    @idempotent()
    @blp.arguments(
        RequisitionHoldSchema, example={"held": True, "comment": "Waiting for the invoice."}
    )
    @blp.response(
        200,
        RequisitionDetailSchema,
        example=example_in(
            "pending_treasury_validation",
            held_at="2026-11-20T10:00:00+00:00",
            hold_reason="Waiting for the invoice.",
        ),
    )
    @refuses(HoldUnchanged, IllegalRequisitionState, InvalidText, PartyToIt, RequisitionNotFound)
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Put an approved requisition on hold, or take it off hold with `held: false`."""
        verb = requisitions.put_on_hold if body["held"] else requisitions.take_off_hold
        return _acted(verb, requisition_id, comment=body["comment"])


@blp.route("/<uuid:requisition_id>/close_short/")
class ShortClosing(MethodView):
    @operation("requisitions.close_short")
    @idempotent()
    @blp.arguments(RequisitionReasonSchema, example={"comment": "The rest is not needed."})
    @blp.response(200, RequisitionDetailSchema, example=example_in("closed_short"))
    @refuses(
        IllegalRequisitionState,
        InvalidText,
        NothingPaid,
        PartyToIt,
        PaymentsUnderWay,
        RequisitionNotFound,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Let the remainder of a partly paid requisition go."""
        return _acted(requisitions.close_short, requisition_id, comment=body["comment"])


@blp.route("/<uuid:requisition_id>/review/")
class Review(MethodView):
    @operation("requisitions.review")
    @idempotent()
    @blp.arguments(RequisitionCommentSchema, example={"comment": "Receipt seen."})
    @blp.response(200, RequisitionDetailSchema, example=example_in("reviewed"))
    @refuses(IllegalRequisitionState, InvalidText, NotIndependent, RequisitionNotFound)
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Review a requisition that was paid or closed short, as somebody without a part in it."""
        return _acted(requisitions.review, requisition_id, comment=body["comment"])
