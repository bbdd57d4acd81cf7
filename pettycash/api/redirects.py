"""Redirects: what was approved goes elsewhere only if the last approver agrees."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.changes import Located, located
from pettycash.api.idempotency import idempotent
from pettycash.api.schemas.changes import (
    EXAMPLE_REDIRECT,
    ChangeSchema,
    PaymentRedirectSchema,
    RedirectSchema,
)
from pettycash.db import transaction
from pettycash.services import redirects

blp = Blueprint(
    "redirects",
    __name__,
    url_prefix="/api",
    description="Another destination or method after approval: proposed here, decided by the last"
    " approver under /api/changes/. Until then nothing of it proceeds.",
)

EXAMPLE = {"destination": "0722000000", "reason": "The shop has a new number."}
REFUSED = (
    "redirect.nothing_changes, requisition.invalid_destination, requisition.method_not_available,"
    " workflow.no_approver"
)


@blp.route("/payments/<uuid:payment_id>/redirect/")
class PaymentRedirect(MethodView):
    """Of a payment."""

    @operation("payments.redirect", step_up=True)
    @idempotent()
    @blp.arguments(PaymentRedirectSchema, example=EXAMPLE)
    @blp.response(202, ChangeSchema, example=EXAMPLE_REDIRECT)
    @blp.alt_response(403, description="release.not_separate, auth.step_up_required")
    @blp.alt_response(
        409,
        description="payment.illegal_state, payment.requisition_not_payable,"
        " payment.failure_unconfirmed, payment.blocked_by_case, redirect.open",
    )
    @blp.alt_response(
        422,
        description=f"{REFUSED}, payment.rail_refuses, payment.above_cash_limit,"
        " payment.store_not_found, payment.method_does_not_fit",
    )
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
    """Of a requisition."""

    @operation("requisitions.redirect", step_up=True)
    @idempotent()
    @blp.arguments(RedirectSchema, example=EXAMPLE)
    @blp.response(202, ChangeSchema, example=EXAMPLE_REDIRECT)
    @blp.alt_response(
        403,
        description="requisition.not_requester, release.not_separate, auth.step_up_required",
    )
    @blp.alt_response(409, description="requisition.illegal_state, redirect.open")
    @blp.alt_response(422, description=REFUSED)
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
