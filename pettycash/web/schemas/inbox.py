"""Stored callbacks and outbox messages on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.payments import CallbackPurpose
from pettycash.services.operations.outbox_lists import OutboxState
from pettycash.web.schemas.fields import (
    Choice,
    Schema,
    UtcDateTime,
)


class CallbackSchema(Schema):
    """A stored report of a rail, with secrets cut out and phone numbers masked."""

    id = ma.fields.UUID(dump_only=True)
    payment_id = ma.fields.UUID(dump_only=True, allow_none=True)
    lost_attempt_id = ma.fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Of a callback to an attempt that a restore has lost."},
    )
    purpose = Choice(CallbackPurpose, dump_only=True)
    content_type = ma.fields.String(dump_only=True, allow_none=True)
    remote_address = ma.fields.String(dump_only=True, allow_none=True)
    body = ma.fields.Dict(dump_only=True, allow_none=True)
    deliveries = ma.fields.Integer(
        dump_only=True,
        metadata={"description": "At least so many: one that finds the row locked is not counted."},
    )
    processed_at = UtcDateTime(dump_only=True, allow_none=True)
    verdict = ma.fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "settled, rejected, accepted, asked, ignored or case."},
    )
    created_at = UtcDateTime(dump_only=True)


class CallbackAnswerSchema(Schema):
    """The answer that rails expect."""

    ResultCode = ma.fields.Integer(dump_only=True)
    ResultDesc = ma.fields.String(dump_only=True)


class OutboxMessageSchema(Schema):
    """Something that must happen; `key` is the thing that it is about."""

    id = ma.fields.UUID(dump_only=True)
    topic = ma.fields.String(dump_only=True)
    key = ma.fields.UUID(dump_only=True)
    state = Choice(OutboxState, dump_only=True)
    due_at = UtcDateTime(dump_only=True)
    attempts = ma.fields.Integer(
        dump_only=True, metadata={"description": "Published since it was last put off."}
    )
    failures = ma.fields.Integer(
        dump_only=True, metadata={"description": "Begun and not brought to an end, in a row."}
    )
    last_error = ma.fields.String(dump_only=True, allow_none=True)
    completed_at = UtcDateTime(dump_only=True, allow_none=True)
    dead_lettered_at = UtcDateTime(dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)


EXAMPLE_CALLBACK: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a11",
    "payment_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a12",
    "lost_attempt_id": None,
    "purpose": "result",
    "content_type": "application/json",
    "remote_address": "192.0.2.40",
    "body": {"Result": {"ResultCode": 0, "ConversationID": "AG_20261120_00006a7f"}},
    "deliveries": 1,
    "processed_at": "2026-11-20T08:02:32+00:00",
    "verdict": "settled",
    "created_at": "2026-11-20T08:02:31+00:00",
}

EXAMPLE_OUTBOX_MESSAGE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a21",
    "topic": "payments.submit",
    "key": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a22",
    "state": "dead_lettered",
    "due_at": "2026-11-20T08:02:31+00:00",
    "attempts": 3,
    "failures": 50,
    "last_error": "Undecipherable: the ciphertext can't be read",
    "completed_at": None,
    "dead_lettered_at": "2026-11-20T08:12:31+00:00",
    "created_at": "2026-11-20T08:02:31+00:00",
}
