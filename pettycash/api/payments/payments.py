"""Payments: read them, make one for a remainder, change, cancel."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.blueprints import Blueprint
from pettycash.models.payments import IllegalTransition
from pettycash.models.requisitions import Requisition
from pettycash.runtime.db import transaction
from pettycash.services import payments
from pettycash.services.approvals.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.foundation import numbers
from pettycash.services.foundation.destinations import InvalidDestination
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.payments import reading, treasury_validation
from pettycash.services.payments.creation import NothingLeft, PaymentReferenceTaken
from pettycash.services.payments.lists import PAYMENTS
from pettycash.services.payments.restored import MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    ExceedsApproved,
    FailureUnconfirmed,
    RequisitionNotPayable,
)
from pettycash.services.payments.treasury_validation import NobodyLeft
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.payment_examples import EXAMPLE_DETAIL, EXAMPLE_PAYMENT
from pettycash.web.schemas.payments import (
    NewPaymentSchema,
    PaymentChangeSchema,
    PaymentDetailSchema,
    PaymentSchema,
)

blp = Blueprint(
    "payments",
    __name__,
    url_prefix="/api/payments",
    description="Movements of money, from their making to their proof.",
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
    @refuses(
        *UNFIT,
        ExceedsApproved,
        FailureUnconfirmed,
        InvalidDestination,
        NobodyLeft,
        NotSeparate,
        NothingLeft,
        PaymentReferenceTaken,
        RedirectNeeded,
        RequisitionNotFound,
        RequisitionNotPayable,
    )
    @sends("Location", "ETag")
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
    @operation("payments.get")
    @blp.response(200, PaymentDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(PaymentNotFound)
    @sends("ETag")
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
    @refuses(
        *UNFIT,
        ExceedsApproved,
        IllegalTransition,
        MayHaveBeenPaid,
        NobodyLeft,
        NotSeparate,
        PaymentNotFound,
        RedirectNeeded,
        RedirectOpen,
    )
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
    @operation("payments.cancel")
    @idempotent()
    @blp.response(200, PaymentDetailSchema, example={**EXAMPLE_DETAIL, "status": "cancelled"})
    @refuses(BlockedByCase, FailureUnconfirmed, IllegalTransition, NotSeparate, PaymentNotFound)
    @sends("ETag")
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
