"""Pauses on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.operations import PauseScope
from pettycash.web.schemas.fields import Choice, Schema, Text, UtcDateTime


class PausedObjectSchema(Schema):
    """The scope of a pause."""

    scope = Choice(PauseScope, required=True)
    object_id = ma.fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "The store or provider account; null for the company."},
    )


class NewPauseSchema(PausedObjectSchema):
    """A pause needs a reason."""

    reason = Text(shortest=1, longest=1000, required=True)


class PauseSchema(Schema):
    """Nothing new is released or sent within it until two people have ended it."""

    id = ma.fields.UUID(dump_only=True)
    scope = Choice(PauseScope, dump_only=True)
    object_id = ma.fields.UUID(dump_only=True, allow_none=True)
    reason = ma.fields.String(dump_only=True)
    paused_by_id = ma.fields.UUID(
        attribute="paused_by",
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null: the system, after refusals of an account's credentials."},
    )
    resume_requested_by_id = ma.fields.UUID(
        attribute="proposed_by", dump_only=True, allow_none=True
    )
    resumed_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True, allow_none=True)
    resumed_at = UtcDateTime(
        attribute="decided_at",
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null: it still stands, or waits for the second person."},
    )
    created_at = UtcDateTime(dump_only=True)


EXAMPLE_NEW_PAUSE: dict[str, Any] = {
    "scope": "store",
    "object_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1001",
    "reason": "The drawer is being counted.",
}
EXAMPLE_PAUSE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1002",
    **EXAMPLE_NEW_PAUSE,
    "paused_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1003",
    "resume_requested_by_id": None,
    "resumed_by_id": None,
    "resumed_at": None,
    "created_at": "2026-11-20T08:00:00+00:00",
}
