"""Redirects: what was approved goes elsewhere only if the last approver agrees."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.api.operations.changes import Located, located
from pettycash.gateways.base import DestinationNotUnderstood
from pettycash.gateways.registry import RailNotServed
from pettycash.models.payments import IllegalTransition
from pettycash.models.requisitions import IllegalRequisitionState
from pettycash.runtime.db import transaction
from pettycash.services.approvals.approved_facts import RedirectOpen
from pettycash.services.approvals.resolution.core import NoApprover
from pettycash.services.foundation.destinations import InvalidDestination, MethodNotAvailable
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.payments import redirects
from pettycash.services.payments.redirects import NothingRedirected
from pettycash.services.payments.restored import MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    FailureUnconfirmed,
    RequisitionNotPayable,
)
from pettycash.services.requisitions.creation import NotRequester
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.refusals import refuses
from pettycash.web.schemas.changes import (
    EXAMPLE_REDIRECT,
    ChangeSchema,
    PaymentRedirectSchema,
    RedirectSchema,
)

blp = Blueprint(
    "redirects",
    __name__,
    url_prefix="/api",
    description="Another destination or method after approval: proposed here, decided by the last"
    " approver under /api/changes/. Until then nothing of it proceeds.",
)

EXAMPLE = {"destination": "0722000000", "reason": "The shop has a new number."}


@blp.route("/payments/<uuid:payment_id>/redirect/")
class PaymentRedirect(MethodView):
    @operation("payments.redirect", step_up=True)
    @idempotent()
    @blp.arguments(PaymentRedirectSchema, example=EXAMPLE)
    @blp.response(202, ChangeSchema, example=EXAMPLE_REDIRECT)
    @refuses(
        *UNFIT,
        BlockedByCase,
        DestinationNotUnderstood,
        FailureUnconfirmed,
        IllegalTransition,
        InvalidDestination,
        InvalidText,
        MayHaveBeenPaid,
        MethodNotAvailable,
        NoApprover,
        NotSeparate,
        NothingRedirected,
        PaymentNotFound,
        RedirectOpen,
        RequisitionNotPayable,
    )
    @sends("Location")
    def post(self, body: dict[str, Any], payment_id: UUID) -> Located:
        """Propose that a pending or failed payment goes elsewhere; its codes die at once.

        You become its maker if the last approver agrees.
        """
        with transaction() as session:
            return located(
                redirects.propose_for_payment(
                    session,
                    payment_id=payment_id,
                    **body,
                    actor=current_actor(),
                    now=session.info["now"],
                )
            )


@blp.route("/requisitions/<uuid:requisition_id>/redirect/")
class RequisitionRedirect(MethodView):
    @operation("requisitions.redirect", step_up=True)
    @idempotent()
    @blp.arguments(RedirectSchema, example=EXAMPLE)
    @blp.response(202, ChangeSchema, example=EXAMPLE_REDIRECT)
    @refuses(
        DestinationNotUnderstood,
        IllegalRequisitionState,
        InvalidDestination,
        InvalidText,
        MethodNotAvailable,
        NoApprover,
        NotRequester,
        NotSeparate,
        NothingRedirected,
        RailNotServed,
        RedirectOpen,
        RequisitionNotFound,
    )
    @sends("Location")
    def post(self, body: dict[str, Any], requisition_id: UUID) -> Located:
        """Propose, as its requester or treasury, that an approved requisition goes elsewhere."""
        with transaction() as session:
            return located(
                redirects.propose_for_requisition(
                    session,
                    requisition_id=requisition_id,
                    **body,
                    actor=current_actor(),
                    now=session.info["now"],
                )
            )
