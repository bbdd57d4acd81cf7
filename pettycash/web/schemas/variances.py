"""Variances on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.imprest import VarianceKind, VarianceStatus
from pettycash.runtime.money import Currency
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    People,
    Schema,
    Text,
    UtcDateTime,
)


class VarianceRecordSchema(Schema):
    """A variance: the amount that really left, where the books differ."""

    kind = Choice(
        VarianceKind,
        load_default=VarianceKind.OTHER,
        metadata={
            "description": "A `fee` is an extra outflow; `overpaid` and `underpaid` say what the"
            " payee got; `count` is of a drawer; `other` names its counter account."
        },
    )
    original_amount = Amount(
        load_default=None,
        allow_none=True,
        metadata={"description": "Money out as the books have it; refused where they differ."},
    )
    adjusted_amount = Amount(
        required=True, zero=True, metadata={"description": "Money out as it really was."}
    )
    reason = Text(shortest=1, longest=1000, required=True)
    counter_account_id = ma.fields.UUID(load_default=None, allow_none=True)
    case_id = ma.fields.UUID(load_default=None, allow_none=True)


class VarianceApprovalSchema(Schema):
    """The cfo may add a comment."""

    comment = Text(longest=1000, load_default=None, allow_none=True)


class VarianceRejectionSchema(Schema):
    """Why not."""

    reason = Text(shortest=1, longest=1000, required=True)


class VarianceSchema(Schema):
    """A mismatch and what the cfo decided on it."""

    id = ma.fields.UUID(dump_only=True)
    number = ma.fields.String(dump_only=True)
    kind = Choice(VarianceKind, dump_only=True)
    status = Choice(VarianceStatus, dump_only=True)
    payment_id = ma.fields.UUID(dump_only=True, allow_none=True)
    store_id = ma.fields.UUID(dump_only=True)
    counter_account_id = ma.fields.UUID(dump_only=True)
    case_id = ma.fields.UUID(dump_only=True, allow_none=True)
    currency = Choice(Currency, dump_only=True)
    original_amount = Amount(dump_only=True)
    adjusted_amount = Amount(dump_only=True)
    variance_amount = Amount(
        dump_only=True,
        metadata={"description": "adjusted - original; above nought: more left than the books say"},
    )
    reason = ma.fields.String(dump_only=True)
    initiated_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True)
    decided_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True, allow_none=True)
    decided_at = UtcDateTime(dump_only=True, allow_none=True)
    decision_reason = ma.fields.String(dump_only=True, allow_none=True)
    entry_id = ma.fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The journal entry that approval posted."},
    )
    created_at = UtcDateTime(dump_only=True)
    updated_at = UtcDateTime(dump_only=True)


class VarianceDetailSchema(VarianceSchema):
    """A variance with its payment's number and the names in it."""

    payment_number = ma.fields.String(dump_only=True, allow_none=True)
    store_name = ma.fields.String(dump_only=True)
    people = People()


_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f3{:03d}"

EXAMPLE_RECORD: dict[str, Any] = {
    "kind": "fee",
    "original_amount": "5000.00",
    "adjusted_amount": "5050.00",
    "reason": "Page 3 of the statement shows a fee of 50",
}
EXAMPLE_VARIANCE: dict[str, Any] = {
    "id": _ID.format(1),
    "number": "VAR-2026-000003",
    "kind": "fee",
    "status": "pending",
    "payment_id": _ID.format(2),
    "store_id": _ID.format(3),
    "counter_account_id": _ID.format(4),
    "case_id": None,
    "currency": "KES",
    "original_amount": "5000.00",
    "adjusted_amount": "5050.00",
    "variance_amount": "50.00",
    "reason": "Page 3 of the statement shows a fee of 50",
    "initiated_by_id": _ID.format(5),
    "decided_by_id": None,
    "decided_at": None,
    "decision_reason": None,
    "entry_id": None,
    "created_at": "2026-11-20T08:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
}
EXAMPLE_APPROVED_VARIANCE = EXAMPLE_VARIANCE | {
    "status": "approved",
    "decided_by_id": _ID.format(6),
    "decided_at": "2026-11-20T09:00:00+00:00",
    "entry_id": _ID.format(7),
}
EXAMPLE_REJECTED_VARIANCE = EXAMPLE_VARIANCE | {
    "status": "rejected",
    "decided_by_id": _ID.format(6),
    "decided_at": "2026-11-20T09:00:00+00:00",
    "decision_reason": "That fee is of another payment",
}
EXAMPLE_VARIANCE_DETAIL = EXAMPLE_VARIANCE | {
    "payment_number": "PAY-2026-000123",
    "store_name": "Karen cash drawer",
    "people": {_ID.format(5): "Treasury officer"},
}
