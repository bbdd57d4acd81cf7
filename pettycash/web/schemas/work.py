"""Work that waits for a person, on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.services.reports.work import KINDS, LOOKED_AT_MAX
from pettycash.web.schemas.fields import Amount, Schema, UtcDateTime


class WorkItemSchema(Schema):
    """One thing that waits."""

    id = ma.fields.UUID(required=True)
    link = ma.fields.String(required=True, metadata={"description": "Where it is read."})
    what = ma.fields.String(
        required=True,
        metadata={
            "description": "Its kind: of a requisition, case, change or variance; a payment's"
            " method; `automatic` or `by_hand`; what is paused; a month."
        },
    )
    number = ma.fields.String(required=True, allow_none=True)
    amount = Amount(required=True, allow_none=True)
    currency = ma.fields.String(required=True, allow_none=True)
    since = UtcDateTime(required=True)


class WorkKindSchema(Schema):
    """Work of one kind, the oldest first."""

    kind = ma.fields.String(required=True, metadata={"enum": [each.kind for each in KINDS]})
    operation = ma.fields.String(
        required=True, metadata={"description": "The operation that is waited for."}
    )
    count = ma.fields.Integer(
        required=True,
        metadata={"description": f"Of the {LOOKED_AT_MAX} oldest that were looked at."},
    )
    has_more = ma.fields.Boolean(
        required=True, metadata={"description": "More may wait than were looked at."}
    )
    items = ma.fields.List(ma.fields.Nested(WorkItemSchema), required=True)


class WorkSchema(Schema):
    """Everything that waits for you."""

    items = ma.fields.List(ma.fields.Nested(WorkKindSchema), required=True)


EXAMPLE_WORK: dict[str, Any] = {
    "items": [
        {
            "kind": "releases",
            "operation": "payments.send_otp",
            "count": 1,
            "has_more": False,
            "items": [
                {
                    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c01",
                    "link": "/api/payments/0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c01/",
                    "what": "mpesa",
                    "number": "PAY-2026-000123",
                    "amount": "1500.00",
                    "currency": "KES",
                    "since": "2026-11-20T08:00:00+00:00",
                }
            ],
        }
    ]
}
