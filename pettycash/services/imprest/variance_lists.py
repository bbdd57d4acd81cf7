"""The list of variances."""

from sqlalchemy import func, select

from pettycash.models.imprest import Fund, Store, VarianceAdjustment
from pettycash.runtime.money import Currency
from pettycash.services.foundation.listings import Find, Listing, between, days, exact, many, since

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
