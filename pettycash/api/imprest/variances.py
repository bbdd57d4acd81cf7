"""Variances: recorded on a payment, decided by the cfo, posted when approved."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import set_etag
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.variances import (
    EXAMPLE_APPROVED_VARIANCE,
    EXAMPLE_RECORD,
    EXAMPLE_REJECTED_VARIANCE,
    EXAMPLE_VARIANCE,
    VarianceApprovalSchema,
    VarianceRecordSchema,
    VarianceRejectionSchema,
    VarianceSchema,
)
from pettycash.models.imprest import VarianceAdjustment
from pettycash.runtime.db import transaction
from pettycash.runtime.money import InvalidAmount
from pettycash.services.foundation import numbers
from pettycash.services.foundation.decisions import (
    AlreadyDecided,
    NotADecider,
    NotAProposer,
    OwnProposal,
    ReasonMissing,
)
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import PaymentNotFound
from pettycash.services.imprest import variances
from pettycash.services.imprest.variance_lists import VARIANCES
from pettycash.services.imprest.variances import (
    AlreadyPending,
    InvalidVariance,
    NotPaid,
    VarianceNeedsCfo,
    VarianceNotFound,
    WrongDirection,
)
from pettycash.services.ledger.posting import PeriodClosed

blp = Blueprint(
    "variances",
    __name__,
    url_prefix="/api",
    description="Where the books and the world differ, and what the cfo makes of it.",
)


@blp.route("/payments/<uuid:payment_id>/record_variance/")
class VarianceRecord(MethodView):
    @operation("payments.record_variance")
    @idempotent()
    @blp.arguments(VarianceRecordSchema, example=EXAMPLE_RECORD)
    @blp.response(201, VarianceSchema, example=EXAMPLE_VARIANCE)
    @refuses(
        AlreadyPending,
        InvalidAmount,
        InvalidVariance,
        NotAProposer,
        NotPaid,
        NotSeparate,
        PaymentNotFound,
        ReasonMissing,
        WrongDirection,
    )
    @sends("Location", "ETag")
    def post(
        self, body: dict[str, Any], payment_id: UUID
    ) -> tuple[VarianceAdjustment, dict[str, str]]:
        """Record that another amount left than the books say. Nothing is posted until approval."""
        with transaction() as session:
            found = variances.record(
                Uow.of(session, current_actor()), payment_id=payment_id, **body
            )
            set_etag(found.version)
            return found, {"Location": f"/api/variances/{found.id}/"}


@blp.route("/variances/")
class Variances(MethodView):
    @operation("variances.list")
    @blp.arguments(query_of(VARIANCES), location="query")
    @blp.response(200, page_of(VarianceSchema), example=example_page(EXAMPLE_VARIANCE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List variances, the newest first."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), VARIANCES, arguments)


@blp.route("/variances/<key:variance_id>/")
class OneVariance(MethodView):
    @operation("variances.get")
    @blp.response(200, VarianceSchema, example=EXAMPLE_VARIANCE)
    @refuses(VarianceNotFound)
    @sends("ETag")
    def get(self, variance_id: UUID | str) -> VarianceAdjustment:
        """Read a variance."""
        with transaction() as session:
            variance_id = numbers.id_of(session, "VAR", variance_id)
            found = variances.get(session, variance_id=variance_id)
            set_etag(found.version)
            return found


@blp.route("/variances/<uuid:variance_id>/approve/")
class VarianceApproval(MethodView):
    @operation("variances.approve")
    @idempotent()
    @blp.arguments(VarianceApprovalSchema, example={"comment": "As on the statement"})
    @blp.response(200, VarianceSchema, example=EXAMPLE_APPROVED_VARIANCE)
    @refuses(
        AlreadyDecided,
        NotADecider,
        NotSeparate,
        OwnProposal,
        PeriodClosed,
        VarianceNeedsCfo,
        VarianceNotFound,
    )
    def post(self, body: dict[str, Any], variance_id: UUID) -> VarianceAdjustment:
        """Approve a variance, which posts it, dated today."""
        with transaction() as session:
            return variances.approve(
                Uow.of(session, current_actor()), variance_id=variance_id, **body
            )


@blp.route("/variances/<uuid:variance_id>/reject/")
class VarianceRejection(MethodView):
    @operation("variances.reject")
    @idempotent()
    @blp.arguments(VarianceRejectionSchema, example={"reason": "That fee is of another payment"})
    @blp.response(200, VarianceSchema, example=EXAMPLE_REJECTED_VARIANCE)
    @refuses(
        AlreadyDecided,
        NotADecider,
        NotSeparate,
        OwnProposal,
        ReasonMissing,
        VarianceNeedsCfo,
        VarianceNotFound,
    )
    def post(self, body: dict[str, Any], variance_id: UUID) -> VarianceAdjustment:
        """Reject a variance, with a reason; nothing is posted."""
        with transaction() as session:
            return variances.reject(
                Uow.of(session, current_actor()), variance_id=variance_id, **body
            )
