"""The list of cases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select

from pettycash.models.operations import Case, CaseStatus
from pettycash.runtime.sanitising import sanitise
from pettycash.services.foundation import permissions
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import (
    Condition,
    Find,
    Listing,
    days,
    exact,
    flag,
    many,
    since,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases

WORDS = ("summary", "evidence", "proposal")
"""Fields that may hold a phone number or a payee."""


def to_response(case: Case, actor: Actor) -> dict[str, Any]:
    """A case as its reader may see it: operators see masked data."""
    facts = {column.key: getattr(case, column.key) for column in Case.__table__.columns}
    if not actor.has(*permissions.FINANCE_READERS) and not actor.is_escalation_approver:
        facts |= {name: sanitise(facts[name]) for name in WORDS}
    return facts


def is_overdue(now: datetime) -> Condition:
    """Not resolved, and its time has passed."""
    return and_(Case.status != CaseStatus.RESOLVED, Case.due_at.is_not(None), Case.due_at < now)


def _shown(uow: Uow, rows: Sequence[Case]) -> list[dict[str, Any]]:
    return [to_response(each, uow.actor) for each in rows]


CASES = Listing(
    name="cases.list",
    query=select(Case),
    scope=cases.visible,
    filters={
        "kind": many(Case.kind),
        "status": many(Case.status),
        "severity": many(Case.severity),
        "object_type": exact(Case.object_type, longest=64),
        "object_id": exact(Case.object_id),
        "owner_id": many(Case.owner_id),
        "is_unowned": flag(Case.owner_id.is_(None)),
        "is_open": flag(Case.status != CaseStatus.RESOLVED, text="Not resolved."),
        "is_overdue": flag(is_overdue, text="Not resolved, and its time has passed."),
        **days(Case.created_at),
        **days(Case.due_at, "due"),
        **days(Case.decided_at, "resolved"),
        "updated_since": since(Case.updated_at),
    },
    find=Find(payees=(Case.summary,), text="Words of the summary, in any case."),
    orders={"newest": (Case.id.desc(),), "oldest": (Case.id,)},
    show=_shown,
    columns=(
        "created_at",
        "kind",
        "severity",
        "status",
        "summary",
        "object_type",
        "object_id",
        "owner_id",
        "due_at",
        "proposed_by",
        "decided_by",
        "decided_at",
    ),
    people=("owner_id", "proposed_by", "decided_by"),
)
