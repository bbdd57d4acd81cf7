"""Offers: which operations of an object one may do now, and which refusal the others would meet.

They stand beside the object, not in it: pauses, codes and clocks change them without a new version,
so an ETag would call old ones fresh, and a verb's answer would pay for them.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.runtime.errors import NotFound
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.imprest.replenishments import ReplenishmentNotFound
from pettycash.services.imprest.variances import VarianceNotFound
from pettycash.services.operations.cases import CaseNotFound
from pettycash.services.operations.changes import ChangeNotFound
from pettycash.services.reports import offers
from pettycash.services.reports.offers import Offer
from pettycash.web.admission import current_actor, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.offers import EXAMPLE_OFFERS, OffersSchema

blp = Blueprint(
    "offers",
    __name__,
    url_prefix="/api",
    description="What one may do now with an object, and why not the rest.",
)


def _serve(name: str, of: Callable[..., Sequence[Offer]], not_found: type[NotFound]) -> None:
    """Add the offers of one kind of object to the blueprint."""

    class Offers(MethodView):
        @operation(f"{name}s.offers")
        @blp.response(200, OffersSchema, example=EXAMPLE_OFFERS)
        @refuses(not_found)
        @blp.doc(summary=f"List what you may do with the {name} now, and why not the rest.")
        def get(self, **key: UUID) -> dict[str, Sequence[Offer]]:
            with transaction() as session:
                now = session.info["now"]
                return {"items": of(session, **key, actor=current_actor(), now=now)}

    path = f"/{name}s/<uuid:{name}_id>/offers/"
    blp.route(path, endpoint=f"{name}_offers")(Offers)


_serve("payment", offers.of_payment, PaymentNotFound)
_serve("requisition", offers.of_requisition, RequisitionNotFound)
_serve("replenishment", offers.of_replenishment, ReplenishmentNotFound)
_serve("variance", offers.of_variance, VarianceNotFound)
_serve("case", offers.of_case, CaseNotFound)
_serve("change", offers.of_change, ChangeNotFound)
