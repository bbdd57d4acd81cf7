"""Payments: read them, make one for a remainder, change, cancel."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import check_etag, set_etag
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.schemas.payment_examples import EXAMPLE_DETAIL, EXAMPLE_PAYMENT
from pettycash.api.schemas.payments import (
    NewPaymentSchema,
    PaymentChangeSchema,
    PaymentDetailSchema,
    PaymentSchema,
)
from pettycash.db import transaction
from pettycash.models.requisitions import Requisition
from pettycash.services import numbers, payments, treasury_validation
from pettycash.services.listings import ListPage, page
from pettycash.services.payments import reading
from pettycash.services.payments.lists import PAYMENTS

blp = Blueprint(
    "payments",
    __name__,
    url_prefix="/api/payments",
    description="Movements of money, from their making to their proof.",
)

WHAT_RULES_REFUSE = (
    "payment.exceeds_approved, payment.rail_refuses, payment.above_cash_limit,"
    " payment.method_reserved, payment.method_does_not_fit, payment.store_not_found,"
    " payment.wrong_currency, requisition.invalid_destination, money.invalid_amount,"
    " payment.nobody_left_to_release"
)


def to_response(session: Session, payment_id: UUID) -> dict[str, Any]:
    """A payment with the state of its release, and its ETag."""
    found, tag = reading.detail(
        session, payment_id=payment_id, actor=current_actor(), now=session.info["now"]
    )
    set_etag(tag)
    return found


@blp.route("/")
class Payments(MethodView):
    """All payments within scope."""

    @operation("payments.list")
    @blp.arguments(query_of(PAYMENTS), location="query")
    @blp.response(200, page_of(PaymentSchema), example=example_page(EXAMPLE_PAYMENT))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List payments within your scope, the newest first."""
        with transaction() as session:
            return page(session, PAYMENTS, current_actor(), arguments)

    @operation("payments.create")
    @idempotent(required=True)
    @blp.arguments(
        NewPaymentSchema,
        example={"requisition_id": EXAMPLE_PAYMENT["requisition_id"], "amount": "500.00"},
    )
    @blp.response(201, PaymentDetailSchema, example={**EXAMPLE_DETAIL, "amount": "500.00"})
    @blp.alt_response(403, description="release.not_separate")
    @blp.alt_response(
        409,
        description="payment.requisition_not_payable, payment.failure_unconfirmed,"
        " payment.provider_account_inactive, payment.external_reference_taken, redirect.needed",
    )
    @blp.alt_response(422, description=f"payment.nothing_left, {WHAT_RULES_REFUSE}")
    def post(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Make a payment for what is left of a validated requisition; you are its maker."""
        with transaction() as session:
            now = session.info["now"]
            made = payments.create(
                session, **{"amount": None, **body}, actor=current_actor(), now=now
            )
            treasury_validation.check_somebody_is_left(
                session,
                requisition=session.get_one(Requisition, made.requisition_id),
                payment=made,
                now=now,
            )
            return to_response(session, made.id), {"Location": f"/api/payments/{made.id}/"}


@blp.route("/<key:payment_id>/")
class OnePayment(MethodView):
    """One payment."""

    @operation("payments.get")
    @blp.response(200, PaymentDetailSchema, example=EXAMPLE_DETAIL)
    def get(self, payment_id: UUID | str) -> dict[str, Any]:
        """Read a payment and where its release stands."""
        with transaction() as session:
            payment_id = numbers.id_of(session, "PAY", payment_id)
            found = to_response(session, payment_id)
            return found | {"people": reading.people(session, found, current_actor())}

    @operation("payments.update")
    @idempotent()
    @blp.arguments(PaymentChangeSchema, example={"amount": "1400.00"})
    @blp.response(200, PaymentDetailSchema, example={**EXAMPLE_DETAIL, "amount": "1400.00"})
    @blp.alt_response(403, description="release.not_separate")
    @blp.alt_response(
        409,
        description="payment.illegal_state, payment.provider_account_inactive, redirect.open,"
        " redirect.needed",
    )
    @blp.alt_response(422, description=WHAT_RULES_REFUSE)
    def patch(self, body: dict[str, Any], payment_id: UUID | str) -> dict[str, Any]:
        """Change amount, store or metadata of a pending payment; another destination is a redirect.

        You become its maker, and any code for it ends.
        """
        actor = current_actor()
        with transaction() as session:
            payment_id = numbers.id_of(session, "PAY", payment_id)
            requisition, payment = payments.locked(session, payment_id=payment_id, actor=actor)
            check_etag(reading.version_tag(session, payment))
            before, now = payment.maker_id, session.info["now"]
            payments.change(
                session,
                requisition=requisition,
                payment=payment,
                changes=body,
                actor=actor,
                now=now,
            )
            if payment.maker_id != before:
                treasury_validation.check_somebody_is_left(
                    session, requisition=requisition, payment=payment, now=now
                )
            return to_response(session, payment_id)


@blp.route("/<uuid:payment_id>/cancel/")
class PaymentCancellation(MethodView):
    """Giving it up."""

    @operation("payments.cancel")
    @idempotent()
    @blp.response(200, PaymentDetailSchema, example={**EXAMPLE_DETAIL, "status": "cancelled"})
    @blp.alt_response(403, description="release.not_separate")
    @blp.alt_response(
        409,
        description="payment.illegal_state, payment.failure_unconfirmed, payment.blocked_by_case",
    )
    def post(self, payment_id: UUID) -> dict[str, Any]:
        """Cancel what was not sent; as its custodian, void cash that nobody collected."""
        with transaction() as session:
            payments.cancel(
                session,
                payment_id=payment_id,
                actor=current_actor(),
                now=session.info["now"],
            )
            return to_response(session, payment_id)
