"""The list of two-person changes."""

from sqlalchemy import select

from pettycash.models.operations import Change
from pettycash.services.foundation.listings import Find, Listing, days, exact, many, since
from pettycash.services.operations import changes

CHANGES = Listing(
    name="changes.list",
    query=select(Change),
    scope=changes.visible,
    filters={
        "kind": many(Change.kind),
        "status": many(Change.status),
        "object_id": exact(Change.object_id),
        "proposed_by_id": many(Change.proposed_by),
        "decided_by_id": many(Change.decided_by),
        **days(Change.created_at),
        **days(Change.decided_at, "decided"),
        "updated_since": since(Change.updated_at),
    },
    find=Find(words=(Change.kind, Change.reason), text="Words of kind and reason, in any case."),
    orders={"newest": (Change.id.desc(),), "oldest": (Change.id,)},
    columns=(
        "created_at",
        "kind",
        "status",
        "object_id",
        "reason",
        "proposed_by",
        "decided_by",
        "decided_at",
        "decision_reason",
    ),
    people=("proposed_by", "decided_by", "decider_id"),
)
