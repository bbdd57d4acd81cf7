"""The list of variances, and one with the names in it."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from pettycash.models.imprest import Fund, Store, VarianceAdjustment
from pettycash.models.payments import Payment
from pettycash.runtime.money import Currency
from pettycash.services.foundation import listings
from pettycash.services.foundation.listings import Find, Listing, between, days, exact, many, since
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import variances

VARIANCES = Listing(
    name="variances.list",
    query=select(VarianceAdjustment)
    .join(Store, Store.id == VarianceAdjustment.store_id)
    .join(Fund, Fund.id == Store.fund_id),
    filters={
        "status": many(VarianceAdjustment.status),
        "kind": many(VarianceAdjustment.kind),
        "payment_id": exact(VarianceAdjustment.payment_id),
        "store_id": many(VarianceAdjustment.store_id),
        "fund_id": many(Store.fund_id),
        **{name: many(getattr(Fund, name)) for name in ("region_id", "branch_id", "department_id")},
        "currency": many(VarianceAdjustment.currency, Currency),
        **between("amount", func.abs(VarianceAdjustment.variance_amount)),
        **days(VarianceAdjustment.created_at),
        **days(VarianceAdjustment.decided_at, "decided"),
        "updated_since": since(VarianceAdjustment.updated_at),
    },
    find=Find(
        words=(VarianceAdjustment.reason,),
        exact=(VarianceAdjustment.number,),
        text="The whole of a number, or words of the reason in any case.",
    ),
    orders={"newest": (VarianceAdjustment.id.desc(),), "oldest": (VarianceAdjustment.id,)},
    columns=(
        "number",
        "kind",
        "status",
        "payment_id",
        "original_amount",
        "adjusted_amount",
        "variance_amount",
        "currency",
        "reason",
        "proposed_by",
        "created_at",
        "decided_by",
        "decided_at",
        "decision_reason",
    ),
    people=("proposed_by", "decided_by"),
)


def detail(uow: Uow, *, variance_id: UUID) -> tuple[dict[str, Any], str]:
    """One variance with its payment's number and the names in it, and its version tag.

    Raises:
        VarianceNotFound: none such.
    """
    found = variances.get(uow.session, variance_id=variance_id)
    columns = VarianceAdjustment.__mapper__.column_attrs
    shown: dict[str, Any] = {each.key: getattr(found, each.key) for each in columns}
    payment = uow.session.get(Payment, found.payment_id) if found.payment_id else None
    shown |= {
        "payment_number": payment.number if payment else None,
        "store_name": uow.session.get_one(Store, found.store_id).name,
        "people": listings.people(
            uow.session, {each for each in (found.proposed_by, found.decided_by) if each}
        ),
    }
    return shown, str(found.version)
