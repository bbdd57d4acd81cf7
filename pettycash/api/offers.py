"""Offers: which operations of an object one may do now, and which refusal the others would meet.

They stand beside the object, not in it: pauses, codes and clocks change them without a new version,
so an ETag would call old ones fresh, and a verb's answer would pay for them.
"""

from collections.abc import Sequence
from uuid import UUID

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.refusals import refuses
from pettycash.api.schemas.offers import EXAMPLE_OFFERS, OffersSchema
from pettycash.runtime.db import transaction
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.imprest.replenishments import ReplenishmentNotFound
from pettycash.services.imprest.variances import VarianceNotFound
from pettycash.services.operations.cases import CaseNotFound
from pettycash.services.operations.changes import ChangeNotFound
from pettycash.services.reports import offers
from pettycash.services.reports.offers import Offer

blp = Blueprint(
    "offers",
    __name__,
    url_prefix="/api",
    description="What one may do now with an object, and why not the rest.",
)

Answer = dict[str, Sequence[Offer]]


def _answer(found: Sequence[Offer]) -> Answer:
    return {"items": found}


@blp.route("/payments/<uuid:payment_id>/offers/")
class PaymentOffers(MethodView):
    @operation("payments.offers")
    @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
    @refuses(PaymentNotFound)
    def get(self, payment_id: UUID) -> Answer:
        """List what you may do with the payment now, and why not the rest."""
        with transaction() as session:
            now = session.info["now"]
            actor = current_actor()
            return _answer(offers.of_payment(session, payment_id=payment_id, actor=actor, now=now))


@blp.route("/requisitions/<uuid:requisition_id>/offers/")
class RequisitionOffers(MethodView):
    @operation("requisitions.offers")
    @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
    @refuses(RequisitionNotFound)
    def get(self, requisition_id: UUID) -> Answer:
        """List what you may do with the requisition now, and why not the rest."""
        with transaction() as session:
            now = session.info["now"]
            actor = current_actor()
            return _answer(
                offers.of_requisition(session, requisition_id=requisition_id, actor=actor, now=now)
            )


@blp.route("/replenishments/<uuid:replenishment_id>/offers/")
class ReplenishmentOffers(MethodView):
    @operation("replenishments.offers")
    @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
    @refuses(ReplenishmentNotFound)
    def get(self, replenishment_id: UUID) -> Answer:
        """List what you may do with the replenishment now, and why not the rest."""
        with transaction() as session:
            now = session.info["now"]
            actor = current_actor()
            return _answer(
                offers.of_replenishment(
                    session, replenishment_id=replenishment_id, actor=actor, now=now
                )
            )


@blp.route("/variances/<uuid:variance_id>/offers/")
class VarianceOffers(MethodView):
    @operation("variances.offers")
    @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
    @refuses(VarianceNotFound)
    def get(self, variance_id: UUID) -> Answer:
        """List what you may do with the variance now, and why not the rest."""
        with transaction() as session:
            now = session.info["now"]
            actor = current_actor()
            return _answer(
                offers.of_variance(session, variance_id=variance_id, actor=actor, now=now)
            )


@blp.route("/cases/<uuid:case_id>/offers/")
class CaseOffers(MethodView):
    @operation("cases.offers")
    @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
    @refuses(CaseNotFound)
    def get(self, case_id: UUID) -> Answer:
        """List what you may do with the case now, and why not the rest."""
        with transaction() as session:
            now = session.info["now"]
            actor = current_actor()
            return _answer(offers.of_case(session, case_id=case_id, actor=actor, now=now))


@blp.route("/changes/<uuid:change_id>/offers/")
class ChangeOffers(MethodView):
    @operation("changes.offers")
    @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
    @refuses(ChangeNotFound)
    def get(self, change_id: UUID) -> Answer:
        """List what you may do with the change now, and why not the rest."""
        with transaction() as session:
            now = session.info["now"]
            actor = current_actor()
            return _answer(offers.of_change(session, change_id=change_id, actor=actor, now=now))
