"""Security events on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.services.access.identity.lists import EventOutcome
from pettycash.web.schemas.fields import Choice, Schema, UtcDateTime


class SecurityEventSchema(Schema):
    """An event: person, act, place and end; without codes, tokens and full phone numbers."""

    id = ma.fields.UUID(dump_only=True)
    created_at = UtcDateTime(dump_only=True)
    event = ma.fields.String(dump_only=True)
    outcome = Choice(EventOutcome, dump_only=True)
    user_id = ma.fields.UUID(dump_only=True, allow_none=True)
    username = ma.fields.String(dump_only=True, allow_none=True)
    ip_address = ma.fields.String(dump_only=True, allow_none=True)
    request_id = ma.fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Of the answer's X-Request-Id and of every line of the log."},
    )
    detail = ma.fields.Dict(dump_only=True)


EXAMPLE_SECURITY_EVENT: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b01",
    "created_at": "2026-11-20T08:00:00+00:00",
    "event": "auth.login",
    "outcome": "refused",
    "user_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b02",
    "username": "treasury",
    "ip_address": "192.0.2.7",
    "request_id": "6f1b0c6e0d3b4f0c8f6f2f1f5d0c9a11",
    "detail": {"code": "auth.wrong_credentials"},
}
