"""Runs of reconciliation on the wire."""

import marshmallow as ma

from pettycash.models.reconciliation import RunStatus
from pettycash.web.schemas.fields import Choice, Day, Schema, UtcDateTime


class RunRequestSchema(Schema):
    """The day to reconcile."""

    business_date = Day(
        required=True,
        metadata={"description": "A day of the company's calendar, today at the latest."},
    )


class RunSchema(Schema):
    """One numbered run of a business day; the newest sequence counts."""

    id = ma.fields.UUID(dump_only=True)
    business_date = Day(dump_only=True)
    sequence = ma.fields.Integer(dump_only=True)
    status = Choice(RunStatus, dump_only=True)
    started_by_id = ma.fields.UUID(attribute="started_by", dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)
    deadline_at = UtcDateTime(dump_only=True)
    closed_at = UtcDateTime(dump_only=True, allow_none=True)
    counts = ma.fields.Dict(
        keys=ma.fields.String(),
        dump_only=True,
        metadata={"description": "Payments by status, `matched`, `broken`, `book_findings`."},
    )
    totals = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        dump_only=True,
        metadata={"description": "Settled that day, by currency."},
    )
    mismatches = ma.fields.List(ma.fields.Dict(), dump_only=True)


EXAMPLE_RUN = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01",
    "business_date": "2026-11-20",
    "sequence": 1,
    "status": RunStatus.CLOSED.value,
    "started_by_id": None,
    "created_at": "2026-11-20T22:00:00+00:00",
    "deadline_at": "2026-11-20T22:15:00+00:00",
    "closed_at": "2026-11-20T22:00:03+00:00",
    "counts": {"success": 41, "failed": 1, "matched": 41, "broken": 0, "book_findings": 0},
    "totals": {"KES": "61250.00"},
    "mismatches": [],
}
