"""Approval thresholds: read them, draft them, see what they leave open.

Drafts and retirements are two-person changes: the cfo publishes them with
`POST /api/changes/{id}/confirm/`.
"""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.api.operations.changes import Located, located
from pettycash.models.approvals import ApprovalThreshold
from pettycash.runtime.db import transaction
from pettycash.runtime.money import InvalidAmount
from pettycash.services.approvals import thresholds
from pettycash.services.approvals.threshold_lists import THRESHOLDS
from pettycash.services.approvals.thresholds import Draft
from pettycash.services.approvals.thresholds.finding import ThresholdNotFound
from pettycash.services.approvals.thresholds.publishing import (
    InvalidThreshold,
    RoleCannotApprove,
    ThresholdEnded,
    ThresholdsOverlap,
)
from pettycash.services.foundation.listings import ListPage, page
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.changes import ChangeSchema
from pettycash.web.schemas.thresholds import (
    EXAMPLE_COVERAGE,
    EXAMPLE_DRAFT,
    EXAMPLE_ENDING,
    EXAMPLE_PROPOSED,
    EXAMPLE_THRESHOLD,
    CoverageSchema,
    RetirementSchema,
    ThresholdDraftSchema,
    ThresholdSchema,
)

blp = Blueprint(
    "thresholds",
    __name__,
    url_prefix="/api/thresholds",
    description="Which roles approve which amounts.",
)


@blp.route("/")
class Thresholds(MethodView):
    @operation("thresholds.list")
    @blp.arguments(query_of(THRESHOLDS), location="query")
    @blp.response(200, page_of(ThresholdSchema), example=example_page(EXAMPLE_THRESHOLD))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List published tiers, also those that ended, by currency, origin and range."""
        with transaction() as session:
            return page(session, THRESHOLDS, current_actor(), arguments)

    @operation("thresholds.draft", step_up=True)
    @idempotent()
    @blp.arguments(ThresholdDraftSchema, example=EXAMPLE_DRAFT)
    @blp.response(202, ChangeSchema, example=EXAMPLE_PROPOSED)
    @refuses(
        InvalidAmount,
        InvalidThreshold,
        RoleCannotApprove,
        ThresholdEnded,
        ThresholdNotFound,
        ThresholdsOverlap,
    )
    @sends("Location")
    def post(self, body: dict[str, Any]) -> Located:
        """Draft a tier; the cfo, who is not the drafter, publishes it."""
        reason = body.pop("reason")
        with transaction() as session:
            change = thresholds.draft(
                session,
                draft=Draft(**body),
                reason=reason,
                actor=current_actor(),
                now=session.info["now"],
            )
            return located(change)


@blp.route("/coverage/")
class ThresholdCoverage(MethodView):
    @operation("thresholds.coverage")
    @blp.response(200, CoverageSchema, example=EXAMPLE_COVERAGE)
    def get(self) -> dict[str, Any]:
        """List the gaps per currency and origin that the company uses."""
        with transaction() as session:
            rows = thresholds.coverage(session, at=session.info["now"])
            items = [
                {
                    "currency": row.currency,
                    "origin": row.origin,
                    "is_complete": row.is_complete,
                    "gaps": [
                        {
                            "currency": row.currency,
                            "min_amount": gap.min_amount,
                            "max_amount": gap.max_amount,
                        }
                        for gap in row.gaps
                    ],
                }
                for row in rows
            ]
            return {"is_complete": all(row.is_complete for row in rows), "items": items}


@blp.route("/<uuid:threshold_id>/")
class OneThreshold(MethodView):
    @operation("thresholds.get")
    @blp.response(200, ThresholdSchema, example=EXAMPLE_THRESHOLD)
    @refuses(ThresholdNotFound)
    @sends("ETag")
    def get(self, threshold_id: UUID) -> ApprovalThreshold:
        """Read a published tier."""
        with transaction() as session:
            found = thresholds.get(session, threshold_id=threshold_id)
            ends = found.valid_until.timestamp() if found.valid_until else 0
            set_etag(f"{found.version}.{ends:.0f}")
            return found


@blp.route("/<uuid:threshold_id>/retire/")
class ThresholdRetirement(MethodView):
    @operation("thresholds.retire", step_up=True)
    @idempotent()
    @blp.arguments(RetirementSchema, example={"reason": "Replaced by the new policy."})
    @blp.response(202, ChangeSchema, example=EXAMPLE_ENDING)
    @refuses(ThresholdEnded, ThresholdNotFound)
    @sends("Location")
    def post(self, body: dict[str, Any], threshold_id: UUID) -> Located:
        """Propose that a tier ends; the cfo publishes it. Running requisitions keep the tier."""
        with transaction() as session:
            change = thresholds.retire(
                session,
                threshold_id=threshold_id,
                valid_until=body["valid_until"],
                reason=body["reason"],
                actor=current_actor(),
                now=session.info["now"],
            )
            return located(change)
