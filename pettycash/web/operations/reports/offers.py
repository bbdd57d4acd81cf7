"""Offers: which operations of an object one may do now, and which refusal the others would meet.

They stand beside the object, not in it: pauses, codes and clocks change them without a new version,
so an ETag would call old ones fresh, and a verb's answer would pay for them.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pettycash.runtime.errors import NotFound
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.imprest.replenishments import ReplenishmentNotFound
from pettycash.services.imprest.variances import VarianceNotFound
from pettycash.services.operations.cases import CaseNotFound
from pettycash.services.operations.changes import ChangeNotFound
from pettycash.services.reports import offers
from pettycash.services.reports.offers import Offer
from pettycash.web.operations import Operation, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.offers import EXAMPLE_OFFERS, OffersSchema


def _of(
    name: str, of: Callable[..., Sequence[Offer]], not_found: type[NotFound]
) -> Operation[..., Any]:
    def read(uow: Uow, **key: UUID) -> dict[str, Sequence[Offer]]:
        return {"items": of(uow, **key)}

    read.__doc__ = f"List what you may do with the {name} now, and why not the rest."
    declare = operation(f"{name}s.offers", answers=OffersSchema, example=EXAMPLE_OFFERS)
    return declare(refuses(not_found)(read))


OFFERS = {
    "payment": _of("payment", offers.of_payment, PaymentNotFound),
    "requisition": _of("requisition", offers.of_requisition, RequisitionNotFound),
    "replenishment": _of("replenishment", offers.of_replenishment, ReplenishmentNotFound),
    "variance": _of("variance", offers.of_variance, VarianceNotFound),
    "case": _of("case", offers.of_case, CaseNotFound),
    "change": _of("change", offers.of_change, ChangeNotFound),
}
"""By what an object is called in paths."""
