"""The list of replenishments."""

from sqlalchemy import select

from pettycash.models.imprest import Fund, Replenishment, ReplenishmentStatus
from pettycash.runtime.money import Currency
from pettycash.services.foundation.listings import (
    Find,
    Listing,
    between,
    days,
    exact,
    flag,
    many,
    since,
)
from pettycash.services.imprest.replenishments.scope import visible

STATUS_ALIASES = {"completed": ReplenishmentStatus.RECEIVED}

REPLENISHMENTS = Listing(
    name="replenishments.list",
    query=select(Replenishment).join(Fund, Fund.id == Replenishment.fund_id),
    scope=visible,
    filters={
        "fund_id": many(Replenishment.fund_id),
        "store_id": many(Replenishment.store_id),
        **{name: many(getattr(Fund, name)) for name in ("region_id", "branch_id", "department_id")},
        "status": many(
            Replenishment.status,
            aliases=STATUS_ALIASES,
            text="`completed` is another word for `received`.",
        ),
        "currency": many(Replenishment.currency, Currency),
        "auto_triggered": flag(Replenishment.auto_triggered),
        "bank_reference": exact(Replenishment.bank_reference, longest=64),
        **between("amount", Replenishment.requested_amount),
        **days(Replenishment.created_at),
        **days(Replenishment.decided_at, "decided"),
        **days(Replenishment.funded_at, "funded"),
        **days(Replenishment.received_at, "received"),
        "updated_since": since(Replenishment.updated_at),
    },
    find=Find(
        exact=(Replenishment.number, Replenishment.bank_reference),
        text="The whole of a number or of the bank's reference.",
    ),
    orders={"newest": (Replenishment.id.desc(),), "oldest": (Replenishment.id,)},
    columns=(
        "number",
        "status",
        "fund_id",
        "requested_amount",
        "approved_amount",
        "received_amount",
        "currency",
        "proposed_by",
        "created_at",
        "decided_by",
        "decided_at",
        "funded_by",
        "funded_at",
        "bank_reference",
        "received_by",
        "received_at",
    ),
    people=(
        "proposed_by",
        "decided_by",
        "cancelled_by",
        "executor_id",
        "funded_by",
        "received_by",
    ),
)
