"""Approval thresholds: read them, draft them, see what they leave open.

Drafts and retirements are two-person changes: the cfo publishes them with
`POST /api/changes/{id}/confirm/`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pettycash.models.operations import Change
from pettycash.runtime.money import InvalidAmount
from pettycash.services.approvals import thresholds
from pettycash.services.approvals.threshold_lists import THRESHOLDS
from pettycash.services.approvals.thresholds import Draft
from pettycash.services.foundation.uow import Uow
from pettycash.web.etags import Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import thresholds as shapes
from pettycash.web.schemas.changes import ChangeSchema

list_all = list_of(
    "thresholds.list",
    THRESHOLDS,
    "List published tiers, also those that ended, by currency, origin and range.",
    answers=shapes.ThresholdSchema,
    example=shapes.EXAMPLE_THRESHOLD,
)


@operation(
    "thresholds.draft",
    takes=shapes.ThresholdDraftSchema,
    given=shapes.EXAMPLE_DRAFT,
    step_up=True,
    status=202,
    answers=ChangeSchema,
    example=shapes.EXAMPLE_PROPOSED,
)
@refuses(
    InvalidAmount,
    thresholds.InvalidThreshold,
    thresholds.RoleCannotApprove,
    thresholds.ThresholdEnded,
    thresholds.ThresholdNotFound,
    thresholds.ThresholdsOverlap,
)
def draft(uow: Uow, /, **facts: Any) -> Change:
    """Draft a tier; the cfo, who is not the drafter, publishes it."""
    reason = facts.pop("reason")
    return thresholds.draft(uow, draft=Draft(**facts), reason=reason)


@operation("thresholds.coverage", answers=shapes.CoverageSchema, example=shapes.EXAMPLE_COVERAGE)
def coverage(uow: Uow) -> dict[str, Any]:
    """List the gaps per currency and origin that the company uses."""
    rows = thresholds.coverage(uow.session, at=uow.now)
    items = [
        {
            "currency": row.currency,
            "origin": row.origin,
            "is_complete": row.is_complete,
            "gaps": [
                {
                    "currency": row.currency,
                    "min_amount": gap.min_amount,
                    "max_amount": gap.max_amount,
                }
                for gap in row.gaps
            ],
        }
        for row in rows
    ]
    return {"is_complete": all(row.is_complete for row in rows), "items": items}


@operation(
    "thresholds.get", answers=shapes.ThresholdSchema, example=shapes.EXAMPLE_THRESHOLD, etag=True
)
@refuses(thresholds.ThresholdNotFound)
def get(uow: Uow, *, threshold_id: UUID) -> Tagged:
    """Read a published tier."""
    found = thresholds.get(uow.session, threshold_id=threshold_id)
    ends = found.valid_until.timestamp() if found.valid_until else 0
    return Tagged(found, f"{found.version}.{ends:.0f}")


@operation(
    "thresholds.retire",
    takes=shapes.RetirementSchema,
    given={"reason": "Replaced by the new policy."},
    step_up=True,
    status=202,
    answers=ChangeSchema,
    example=shapes.EXAMPLE_ENDING,
)
@refuses(thresholds.ThresholdEnded, thresholds.ThresholdNotFound)
def retire(uow: Uow, *, threshold_id: UUID, valid_until: datetime | None, reason: str) -> Change:
    """Propose that a tier ends; the cfo publishes it. Running requisitions keep the tier."""
    return thresholds.retire(uow, threshold_id=threshold_id, valid_until=valid_until, reason=reason)
