"""Approval thresholds on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.approvals import Origin, ThresholdOrigin
from pettycash.runtime.money import Currency
from pettycash.services.approvals.thresholds import PRIORITY_DEFAULT, STEPS_MAX
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Name,
    Schema,
    Text,
    UtcDateTime,
)


class ThresholdDraftSchema(Schema):
    """A tier to be: min_amount < amount ≤ max_amount."""

    name = Name(shortest=1, longest=100, required=True)
    currency = Choice(Currency, required=True)
    origin = Choice(ThresholdOrigin, required=True)
    tier = ma.fields.Integer(required=True, strict=True, validate=ma.validate.Range(1, 99))
    min_amount = Amount(required=True, zero=True)
    max_amount = Amount(
        load_default=None, allow_none=True, metadata={"description": "Null: no limit."}
    )
    roles_sequence = ma.fields.List(
        Text(shortest=1, longest=40),
        required=True,
        validate=ma.validate.Length(max=STEPS_MAX),
        metadata={"description": "Roles that approve, in order, in any case."},
    )
    allow_urgent_fasttrack = ma.fields.Boolean(load_default=False)
    requires_cfo = ma.fields.Boolean(load_default=False)
    priority = ma.fields.Integer(
        load_default=PRIORITY_DEFAULT, strict=True, validate=ma.validate.Range(0, 10_000)
    )
    valid_from = UtcDateTime(
        load_default=None, allow_none=True, metadata={"description": "Null: from publication."}
    )
    valid_until = UtcDateTime(load_default=None, allow_none=True)
    replaces_id = ma.fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "The tier that ends where this one begins."},
    )
    reason = Text(shortest=1, longest=1000, required=True)


class ThresholdSchema(Schema):
    """A published tier."""

    id = ma.fields.UUID()
    name = ma.fields.String()
    currency = Choice(Currency)
    origin = Choice(ThresholdOrigin)
    tier = ma.fields.Integer()
    min_amount = Amount(dump_only=True)
    max_amount = Amount(dump_only=True, allow_none=True)
    roles_sequence = ma.fields.List(ma.fields.String())
    allow_urgent_fasttrack = ma.fields.Boolean()
    requires_cfo = ma.fields.Boolean()
    priority = ma.fields.Integer()
    valid_from = UtcDateTime()
    valid_until = UtcDateTime(allow_none=True)
    version = ma.fields.Integer()
    drafted_by_id = ma.fields.UUID(attribute="drafted_by", allow_none=True)
    published_by_id = ma.fields.UUID(attribute="published_by", allow_none=True)
    created_at = UtcDateTime()


class RetirementSchema(Schema):
    """When a tier shall end, and why."""

    valid_until = UtcDateTime(
        load_default=None, allow_none=True, metadata={"description": "Null: when published."}
    )
    reason = Text(shortest=1, longest=1000, required=True)


class GapSchema(Schema):
    """Amounts that no tier serves: min_amount < amount ≤ max_amount."""

    min_amount = Amount(dump_only=True)
    max_amount = Amount(dump_only=True, allow_none=True)


class CoverageRowSchema(Schema):
    """The amounts that the tiers of one currency and origin leave open."""

    currency = Choice(Currency)
    origin = Choice(Origin)
    is_complete = ma.fields.Boolean()
    gaps = ma.fields.List(ma.fields.Nested(GapSchema))


class CoverageSchema(Schema):
    """Every currency and origin that the company uses."""

    is_complete = ma.fields.Boolean()
    items = ma.fields.List(ma.fields.Nested(CoverageRowSchema))


EXAMPLE_DRAFT: dict[str, Any] = {
    "name": "Tier 2",
    "currency": "KES",
    "origin": "branch",
    "tier": 2,
    "min_amount": "10000.00",
    "max_amount": "50000.00",
    "roles_sequence": ["branch_manager", "regional_manager", "group_finance_manager"],
    "allow_urgent_fasttrack": True,
    "requires_cfo": False,
    "reason": "The new approval policy.",
}
EXAMPLE_THRESHOLD: dict[str, Any] = {
    **{name: value for name, value in EXAMPLE_DRAFT.items() if name != "reason"},
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1101",
    "priority": 100,
    "valid_from": "2026-11-20T08:00:00+00:00",
    "valid_until": None,
    "version": 1,
    "drafted_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1102",
    "published_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1103",
    "created_at": "2026-11-20T08:00:00+00:00",
}
EXAMPLE_PROPOSED: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1104",
    "kind": "threshold",
    "status": "proposed",
    "object_id": None,
    "payload": {
        **{name: value for name, value in EXAMPLE_DRAFT.items() if name != "reason"},
        "priority": 100,
        "valid_from": None,
        "valid_until": None,
        "replaces_id": None,
    },
    "reason": "The new approval policy.",
    "proposed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1102",
    "decision_digest": None,
    "decider_id": None,
    "decided_by_id": None,
    "decided_at": None,
    "comment": None,
    "created_at": "2026-11-20T08:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
}
EXAMPLE_COVERAGE: dict[str, Any] = {
    "is_complete": False,
    "items": [
        {"currency": "KES", "origin": "branch", "is_complete": True, "gaps": []},
        {
            "currency": "UGX",
            "origin": "field",
            "is_complete": False,
            "gaps": [{"min_amount": "7500000", "max_amount": None}],
        },
    ],
}
EXAMPLE_ENDING: dict[str, Any] = {
    **EXAMPLE_PROPOSED,
    "kind": "threshold_retirement",
    "object_id": EXAMPLE_THRESHOLD["id"],
    "payload": {"valid_until": None},
}
