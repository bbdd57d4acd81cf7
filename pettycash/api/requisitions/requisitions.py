"""Requisitions: raise, read, change, submit, recall, cancel, and their story."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.blueprints import Blueprint
from pettycash.gateways.base import DestinationNotUnderstood
from pettycash.gateways.registry import RailNotServed
from pettycash.models.requisitions import IllegalRequisitionState, Requisition
from pettycash.runtime import errors
from pettycash.runtime.db import transaction
from pettycash.runtime.money import InvalidAmount
from pettycash.services import requisitions
from pettycash.services.approvals.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.approvals.resolution.core import MissingScope, NoApprover
from pettycash.services.approvals.thresholds.finding import NoThreshold
from pettycash.services.foundation import numbers, visibility
from pettycash.services.foundation.destinations import InvalidDestination, MethodNotAvailable
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.rail_limits import AboveCashLimit, RailRefuses
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.visibility import RequisitionNotFound
from pettycash.services.payments import adoption
from pettycash.services.payments.adoption import NotManager, RequesterAnswers
from pettycash.services.requisitions import DraftLine, RequisitionDraft, reading
from pettycash.services.requisitions.creation import NotRequester, RequisitionReferenceTaken
from pettycash.services.requisitions.lifecycle import MoneyHasMoved, PaymentsUnderWay
from pettycash.services.requisitions.reading import REQUISITIONS, TRAIL
from pettycash.services.requisitions.validation import (
    AdvancesOff,
    InvalidRequisition,
    LinesDoNotAddUp,
    OutsideYourUnits,
    UnknownCategory,
)
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.requisition_examples import (
    EXAMPLE_DETAIL,
    EXAMPLE_NEW,
    EXAMPLE_REQUISITION,
    EXAMPLE_TRAIL,
    example_in,
)
from pettycash.web.schemas.requisitions import (
    ApprovalTrailSchema,
    RequisitionChangeSchema,
    RequisitionCommentSchema,
    RequisitionCreateSchema,
    RequisitionDetailSchema,
    RequisitionReasonSchema,
    RequisitionSchema,
)

blp = Blueprint(
    "requisitions",
    __name__,
    url_prefix="/api/requisitions",
    description="Requests to spend, from a draft to a reviewed payment.",
)


class OnBehalfOfNeedsKey(errors.RuleViolation):
    """Only a machine client may raise a requisition on behalf of a person."""

    code = "requisition.on_behalf_of_needs_key"


WHAT_IT_SAYS = (
    AboveCashLimit,
    AdvancesOff,
    DestinationNotUnderstood,
    InvalidAmount,
    InvalidDestination,
    InvalidRequisition,
    InvalidText,
    LinesDoNotAddUp,
    MethodNotAvailable,
    OutsideYourUnits,
    RailNotServed,
    RailRefuses,
    RequisitionReferenceTaken,
    UnknownCategory,
)
"""Of what a requisition asks for, when it is written."""


def draft_lines(body: list[dict[str, Any]]) -> list[DraftLine]:
    """The lines as the service takes them."""
    return [DraftLine(**line) for line in body]


def to_response(session: Session, found: Requisition) -> dict[str, Any]:
    """A requisition with its lines, round and payments, and its ETag."""
    told, tag = reading.detail(session, found, current_actor())
    set_etag(tag)
    return told


@blp.route("/")
class Requisitions(MethodView):
    @operation("requisitions.list")
    @blp.arguments(query_of(REQUISITIONS), location="query")
    @blp.response(200, page_of(RequisitionSchema), example=example_page(EXAMPLE_REQUISITION))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List requisitions within your scope, the newest first."""
        with transaction() as session:
            return page(session, REQUISITIONS, current_actor(), arguments)

    @operation("requisitions.create")
    @idempotent(required=True)
    @blp.arguments(RequisitionCreateSchema, example=EXAMPLE_NEW)
    @blp.response(
        201,
        RequisitionDetailSchema,
        example=example_in(
            "draft", approval=None, decision_digest=None, tier=None, submitted_at=None, version=1
        ),
    )
    @refuses(*WHAT_IT_SAYS, OnBehalfOfNeedsKey)
    @sends("Location", "ETag")
    def post(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Raise a requisition, as a draft; you are its requester."""
        actor = current_actor()
        if body.pop("on_behalf_of", None) is not None and actor.client_id is None:
            raise OnBehalfOfNeedsKey(errors={"on_behalf_of": ["It is for machine clients."]})
        draft = RequisitionDraft(**body | {"lines": draft_lines(body["lines"])})
        with transaction() as session:
            raised, lines = requisitions.create_with_lines(
                session, draft=draft, actor=actor, now=session.info["now"]
            )
            found, tag = reading.fresh(raised, lines, actor)
            set_etag(tag)
            return found, {"Location": f"/api/requisitions/{raised.id}/"}


@blp.route("/<key:requisition_id>/")
class OneRequisition(MethodView):
    @operation("requisitions.get")
    @blp.response(200, RequisitionDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(RequisitionNotFound)
    @sends("ETag")
    def get(self, requisition_id: UUID | str) -> dict[str, Any]:
        """Read a requisition with its lines, its newest round and its payments."""
        actor = current_actor()
        with transaction() as session:
            requisition_id = numbers.id_of(session, "REQ", requisition_id)
            found = visibility.requisition(session, actor=actor, requisition_id=requisition_id)
            body = to_response(session, found)
            return body | {"people": reading.people(session, body, actor)}

    @operation("requisitions.update")
    @idempotent()
    @blp.arguments(RequisitionChangeSchema, example={"purpose": "Water for the front office"})
    @blp.response(200, RequisitionDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(
        *WHAT_IT_SAYS,
        IllegalRequisitionState,
        MissingScope,
        NoApprover,
        NoThreshold,
        NotRequester,
        RedirectNeeded,
        RedirectOpen,
        RequisitionNotFound,
    )
    def patch(self, body: dict[str, Any], requisition_id: UUID | str) -> dict[str, Any]:
        """Change a requisition of yours.

        After submit a lower amount voids nothing; another destination of the same payee is for the
        last approver to see, and after their approval a redirect; anything else that was approved
        starts a new round.
        """
        actor = current_actor()
        if "lines" in body:
            body["lines"] = draft_lines(body["lines"])
        with transaction() as session:
            requisition_id = numbers.id_of(session, "REQ", requisition_id)
            found = visibility.requisition(
                session, actor=actor, requisition_id=requisition_id, lock=True
            )
            check_etag(reading.version_tag(session, found, actor))
            changed = requisitions.update(
                session,
                requisition_id=requisition_id,
                changes=body,
                actor=actor,
                now=session.info["now"],
            )
            return to_response(session, changed)


@blp.route("/<uuid:requisition_id>/submit/")
class RequisitionSubmission(MethodView):
    @operation("requisitions.submit")
    @idempotent()
    @blp.response(200, RequisitionDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(
        AboveCashLimit,
        AdvancesOff,
        IllegalRequisitionState,
        MissingScope,
        NoApprover,
        NoThreshold,
        NotRequester,
        RailRefuses,
        RequisitionNotFound,
        UnknownCategory,
    )
    @sends("ETag")
    def post(self, requisition_id: UUID) -> dict[str, Any]:
        """Submit a requisition of yours: its approvers are found and the first one is asked."""
        actor = current_actor()
        with transaction() as session:
            found = requisitions.submit(
                session, requisition_id=requisition_id, actor=actor, now=session.info["now"]
            )
            return to_response(session, found)


@blp.route("/<uuid:requisition_id>/recall/")
class RequisitionRecall(MethodView):
    @operation("requisitions.recall")
    @idempotent()
    @blp.arguments(RequisitionCommentSchema, example={"comment": "The amount is wrong."})
    @blp.response(200, RequisitionDetailSchema, example=example_in("draft"))
    @refuses(IllegalRequisitionState, InvalidText, NotRequester, RequisitionNotFound)
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Take a requisition of yours back into draft while it waits for approval."""
        actor = current_actor()
        with transaction() as session:
            found = requisitions.recall(
                session,
                requisition_id=requisition_id,
                comment=body["comment"],
                actor=actor,
                now=session.info["now"],
            )
            return to_response(session, found)


@blp.route("/<uuid:requisition_id>/cancel/")
class RequisitionCancellation(MethodView):
    @operation("requisitions.cancel")
    @idempotent()
    @blp.arguments(RequisitionCommentSchema, example={"comment": "Not needed any more."})
    @blp.response(200, RequisitionDetailSchema, example=example_in("cancelled"))
    @refuses(
        IllegalRequisitionState,
        InvalidText,
        MoneyHasMoved,
        NotRequester,
        PaymentsUnderWay,
        RequisitionNotFound,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Cancel a requisition of yours; in payment, treasury may do so too, and of somebody who
        left, their manager."""
        actor = current_actor()
        with transaction() as session:
            found = requisitions.cancel(
                session,
                requisition_id=requisition_id,
                comment=body["comment"],
                actor=actor,
                now=session.info["now"],
            )
            return to_response(session, found)


@blp.route("/<uuid:requisition_id>/adopt/")
class RequisitionAdoption(MethodView):
    @operation("requisitions.adopt")
    @idempotent()
    @blp.arguments(RequisitionReasonSchema, example={"comment": "The water is still needed."})
    @blp.response(200, RequisitionDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(
        IllegalRequisitionState,
        InvalidText,
        MissingScope,
        NoApprover,
        NotManager,
        NotSeparate,
        RequesterAnswers,
        RequisitionNotFound,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> dict[str, Any]:
        """Adopt a requisition of somebody who left, as their manager: you answer for it then.

        No fact of it changes. You are its requester too, so an approval of yours is void, and a
        step that waits for you goes to somebody else.
        """
        actor = current_actor()
        with transaction() as session:
            found = adoption.adopt(
                session,
                requisition_id=requisition_id,
                comment=body["comment"],
                actor=actor,
                now=session.info["now"],
            )
            return to_response(session, found)


@blp.route("/<uuid:requisition_id>/trail/")
class RequisitionTrail(MethodView):
    @operation("requisitions.trail")
    @blp.arguments(query_of(TRAIL, without=("requisition_id",)), location="query")
    @blp.response(200, page_of(ApprovalTrailSchema), example=example_page(EXAMPLE_TRAIL))
    @refuses(RequisitionNotFound)
    def get(self, arguments: dict[str, Any], requisition_id: UUID) -> ListPage:
        """Read what happened to a requisition, in order."""
        with transaction() as session:
            visibility.requisition(session, actor=current_actor(), requisition_id=requisition_id)
            return page(session, TRAIL, current_actor(), arguments, requisition_id=requisition_id)
