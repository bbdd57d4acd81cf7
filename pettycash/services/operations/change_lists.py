"""The list of two-person changes."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from pettycash.models.access import Branch, CostCenter, Department, Region, User
from pettycash.models.approvals import ApprovalThreshold
from pettycash.models.imprest import Fund, ProviderAccount, Store
from pettycash.models.operations import Change
from pettycash.services.foundation.listings import Find, Listing, days, exact, many, since
from pettycash.services.operations import changes


def called(session: Session, facts: Any) -> dict[UUID, str]:
    """The names of all that a proposal refers to by id."""
    ids = set(_ids(facts))
    if not ids:
        return {}
    named = [
        select(model.id, name).where(model.id.in_(ids))
        for model, name in (
            (User, User.display_name),
            *((each, each.name) for each in (Branch, Department, Region, CostCenter)),
            *((each, each.name) for each in (Fund, Store, ProviderAccount, ApprovalThreshold)),
        )
    ]
    return {row[0]: row[1] for row in session.execute(union_all(*named))}


def _ids(facts: Any) -> Iterator[UUID]:
    if isinstance(facts, Mapping):
        facts = list(facts.values())
    if isinstance(facts, list):
        for each in facts:
            yield from _ids(each)
    elif isinstance(facts, UUID):
        yield facts
    elif isinstance(facts, str) and len(facts) == UUID_LENGTH:
        with suppress(ValueError):
            yield UUID(facts)


UUID_LENGTH = 36

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
