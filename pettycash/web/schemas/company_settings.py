"""Company settings on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.services.foundation import company_settings
from pettycash.web.schemas.fields import AMOUNT_OR_ZERO_PATTERN, Day, Schema

AMOUNTS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": AMOUNT_OR_ZERO_PATTERN},
}


def by_currency(name: str, description: str) -> ma.fields.Function:
    """A setting that has an amount for each currency, as it is answered."""
    return ma.fields.Function(
        lambda policy: company_settings.wire(policy, name),
        metadata={**AMOUNTS, "description": f"By currency. {description}"},
    )


class SettingsSchema(Schema):
    """The settings that hold in the company now, defaults included.

    Two people change working_days, holidays, otp_floor, materiality, cfo_limit, code_by_email,
    code_by_sms and small_team: proposed at `changes/` with the kind `settings`.
    """

    version = ma.fields.Integer(dump_only=True)
    currency = ma.fields.String(dump_only=True, metadata={"description": "ISO 4217; for ever."})
    timezone = ma.fields.String(dump_only=True, metadata={"description": "IANA name."})
    working_days = ma.fields.List(
        ma.fields.Integer(), dump_only=True, metadata={"description": "Monday is 1 (ISO 8601)."}
    )
    holidays = ma.fields.List(Day(), dump_only=True)
    otp_floor = by_currency(
        "otp_floor", "Releases from this amount up take a code, all of them where none is named."
    )
    materiality = by_currency(
        "materiality",
        "What a fund's variances of a month may come to without the cfo; nought where none is"
        " named.",
    )
    cfo_limit = by_currency(
        "cfo_limit",
        "Above it the cfo or ceo is one of those who decide; where none is named, the end of the"
        " currency's lowest tier.",
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
    advances = ma.fields.Boolean(
        dump_only=True, metadata={"description": "Requisitions of kind advance are taken."}
    )
    defaults = ma.fields.Function(
        company_settings.defaults,
        metadata={"type": "object", "description": "What holds where no version says otherwise."},
    )
    upload_mib_per_day = ma.fields.Integer(
        dump_only=True,
        metadata={"description": "What one person may store as attachments in a company day."},
    )


class SettingsChangeSchema(Schema):
    """Settings by name; what is left out stays. Each value is checked by its own rule."""

    class Meta:
        # The service knows every setting and names those that do not exist.
        unknown = ma.INCLUDE

    timezone = ma.fields.Raw(metadata={"type": "string"})
    case_due_hours = ma.fields.Raw(metadata={"type": "integer", "minimum": 1, "maximum": 720})
    advances = ma.fields.Raw(metadata={"type": "boolean"})
    upload_mib_per_day = ma.fields.Raw(
        metadata={"type": "integer", "minimum": 10, "maximum": 10_000}
    )


EXAMPLE_SETTINGS: dict[str, Any] = {
    "version": 3,
    "currency": "KES",
    "timezone": "Africa/Nairobi",
    "working_days": [1, 2, 3, 4, 5],
    "holidays": ["2026-12-25"],
    "otp_floor": {"KES": "1000.00"},
    "materiality": {"KES": "1000.00"},
    "cfo_limit": {},
    "code_by_email": True,
    "code_by_sms": True,
    "small_team": False,
    "escalation_approver_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0e01",
    "case_due_hours": 24,
    "advances": False,
    "upload_mib_per_day": 200,
    "defaults": {"timezone": "Africa/Nairobi", "case_due_hours": 24, "small_team": False},
}
