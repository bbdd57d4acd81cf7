"""Company settings on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.api.schemas.fields import AMOUNT_OR_ZERO_PATTERN, Amount, Day, Schema


class SettingsSchema(Schema):
    """What holds in the company now, defaults included."""

    version = ma.fields.Integer(dump_only=True)
    currency = ma.fields.String(dump_only=True, metadata={"description": "ISO 4217; for ever."})
    timezone = ma.fields.String(dump_only=True, metadata={"description": "IANA name."})
    working_days = ma.fields.List(
        ma.fields.Integer(), dump_only=True, metadata={"description": "Monday is 1 (ISO 8601)."}
    )
    holidays = ma.fields.List(Day(), dump_only=True)
    otp_floor = Amount(
        dump_only=True,
        metadata={"description": "Releases from this amount up take a code; 0: all of them."},
    )
    materiality = ma.fields.Dict(
        keys=ma.fields.String(),
        values=Amount(),
        dump_only=True,
        metadata={
            "description": "Currency → what a fund's variances of a month may come to without the"
            " cfo; left out: 0."
        },
    )
    cfo_limit = ma.fields.Dict(
        keys=ma.fields.String(),
        values=Amount(),
        dump_only=True,
        metadata={
            "description": "Currency → above which the cfo or ceo is one of those who decide; left"
            " out: the end of the currency's lowest tier."
        },
    )
    code_by_email = ma.fields.Boolean(dump_only=True)
    code_by_sms = ma.fields.Boolean(dump_only=True)
    small_team = ma.fields.Boolean(
        dump_only=True,
        metadata={"description": "An unchanged validation leaves the requester the maker."},
    )
    escalation_approver_id = ma.fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Changed by two people, at `changes/`."},
    )
    case_due_hours = ma.fields.Integer(dump_only=True)


AMOUNTS = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": AMOUNT_OR_ZERO_PATTERN},
}


class SettingsChangeSchema(Schema):
    """Settings by name; what is left out stays. Each value is checked by its own rule."""

    class Meta:
        # The service knows every setting and names those that do not exist.
        unknown = ma.INCLUDE

    timezone = ma.fields.Raw(metadata={"type": "string"})
    working_days = ma.fields.Raw(metadata={"type": "array", "items": {"type": "integer"}})
    holidays = ma.fields.Raw(
        metadata={"type": "array", "items": {"type": "string", "format": "date"}}
    )
    otp_floor = ma.fields.Raw(metadata={"type": "string", "pattern": AMOUNT_OR_ZERO_PATTERN})
    materiality = ma.fields.Raw(metadata=dict(AMOUNTS))
    cfo_limit = ma.fields.Raw(metadata=dict(AMOUNTS))
    code_by_email = ma.fields.Raw(metadata={"type": "boolean"})
    code_by_sms = ma.fields.Raw(metadata={"type": "boolean"})
    small_team = ma.fields.Raw(metadata={"type": "boolean"})
    case_due_hours = ma.fields.Raw(metadata={"type": "integer", "minimum": 1, "maximum": 720})


EXAMPLE_SETTINGS: dict[str, Any] = {
    "version": 3,
    "currency": "KES",
    "timezone": "Africa/Nairobi",
    "working_days": [1, 2, 3, 4, 5],
    "holidays": ["2026-12-25"],
    "otp_floor": "0.00",
    "materiality": {"KES": "1000.00"},
    "cfo_limit": {},
    "code_by_email": True,
    "code_by_sms": True,
    "small_team": False,
    "escalation_approver_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0e01",
    "case_due_hours": 24,
}
