"""The list of tiers."""

from sqlalchemy import select

from pettycash.models.approvals import ApprovalThreshold, ThresholdOrigin
from pettycash.runtime.money import Currency
from pettycash.services.approvals import thresholds
from pettycash.services.foundation.listings import Find, Listing, exact, flag, many

THRESHOLDS = Listing(
    name="thresholds.list",
    query=select(ApprovalThreshold),
    filters={
        "currency": many(ApprovalThreshold.currency, Currency),
        "origin": many(ApprovalThreshold.origin, ThresholdOrigin),
        "tier": exact(ApprovalThreshold.tier),
        "is_live": flag(thresholds.live, text="True: those in force now."),
    },
    find=Find(words=(ApprovalThreshold.name,), text="Words of the name, in any case."),
    orders={
        "range": (
            ApprovalThreshold.currency,
            ApprovalThreshold.origin,
            ApprovalThreshold.min_amount,
            ApprovalThreshold.id,
        ),
        "newest": (ApprovalThreshold.id.desc(),),
    },
    columns=(
        "currency",
        "origin",
        "tier",
        "name",
        "min_amount",
        "max_amount",
        "roles_sequence",
        "valid_from",
        "valid_until",
    ),
)
