"""Background parts and periodic jobs on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.web.schemas.fields import Schema, UtcDateTime


class PartSchema(Schema):
    """A background part, and whether it was heard of recently enough."""

    name = ma.fields.String(dump_only=True)
    is_alive = ma.fields.Boolean(dump_only=True)
    age_seconds = ma.fields.Float(
        dump_only=True, allow_none=True, metadata={"description": "Null: never heard of."}
    )
    bound_seconds = ma.fields.Integer(
        dump_only=True, metadata={"description": "The age at which it counts as dead."}
    )


class PeriodicJobSchema(Schema):
    """A job that starts by the clock."""

    name = ma.fields.String(dump_only=True)
    begun_at = UtcDateTime(dump_only=True)
    failures = ma.fields.Integer(
        dump_only=True,
        metadata={"description": "Begun and not ended, in a row; 1 may be running now."},
    )
    last_error = ma.fields.String(dump_only=True, allow_none=True)


class JobsSchema(Schema):
    """All that runs beside the requests."""

    parts = ma.fields.List(ma.fields.Nested(PartSchema), dump_only=True)
    jobs = ma.fields.List(ma.fields.Nested(PeriodicJobSchema), dump_only=True)


EXAMPLE_JOBS: dict[str, Any] = {
    "parts": [{"name": "relay", "is_alive": True, "age_seconds": 1.5, "bound_seconds": 30}],
    "jobs": [
        {
            "name": "reconciliation.nightly",
            "begun_at": "2026-11-20T22:00:00+00:00",
            "failures": 0,
            "last_error": None,
        }
    ],
}
