"""Provider accounts on the wire; credentials only go in."""

from typing import Any

import marshmallow as ma

from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.payments.provider_accounts import Condition
from pettycash.web.schemas.fields import Amount, Choice, Name, Schema, Text, UtcDateTime

CREDENTIAL_LONGEST = 10_000

ENVIRONMENTS = ("sandbox", "production")


class _Limits(Schema):
    amount_min = Amount(allow_none=True)
    amount_max = Amount(allow_none=True)
    options = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.Length(min=1, max=40)),
        validate=ma.validate.Length(max=20),
        metadata={
            "description": "`callback_sources`: the networks that callbacks come from, as a list;"
            " an empty one takes them from anywhere. Without it the rail's published list counts."
        },
    )


class ProviderAccountSchema(Schema):
    """An account with a rail. Its credentials are never read back."""

    id = ma.fields.UUID(dump_only=True)
    code = ma.fields.String(dump_only=True)
    name = ma.fields.String(dump_only=True)
    method = Choice(Method, dump_only=True)
    currency = ma.fields.String(dump_only=True)
    environment = ma.fields.String(dump_only=True)
    base_url = ma.fields.String(dump_only=True)
    shortcode = ma.fields.String(dump_only=True)
    options = ma.fields.Dict(dump_only=True)
    amount_min = Amount(dump_only=True, allow_none=True)
    amount_max = Amount(dump_only=True, allow_none=True)
    is_active = ma.fields.Boolean(dump_only=True)
    credentials_key_id = ma.fields.String(
        dump_only=True, metadata={"description": "Which key encrypted the credentials."}
    )
    credentials_set_at = UtcDateTime(dump_only=True, allow_none=True)
    credentials_set_by_id = ma.fields.UUID(
        attribute="credentials_set_by", dump_only=True, allow_none=True
    )
    condition = Choice(
        Condition,
        dump_only=True,
        metadata={"description": "`failing`: its rail refuses the credentials."},
    )
    created_by_id = ma.fields.UUID(attribute="created_by", dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)
    version = ma.fields.Integer(dump_only=True)


def _credentials(**kwargs: Any) -> ma.fields.Dict:
    return ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.Length(min=1, max=60)),
        values=ma.fields.String(validate=ma.validate.Length(min=1, max=CREDENTIAL_LONGEST)),
        validate=ma.validate.Length(min=1, max=20),
        load_only=True,
        metadata={"description": "Write-only; the rail's documentation names them."},
        **kwargs,
    )


class NewProviderAccountSchema(_Limits):
    """A new account with a rail."""

    code = Text(shortest=1, longest=40, required=True)
    name = Name(shortest=1, longest=100, required=True)
    method = Choice(Method, required=True)
    currency = Choice(Currency, required=True)
    environment = ma.fields.String(required=True, validate=ma.validate.OneOf(ENVIRONMENTS))
    base_url = Text(shortest=1, longest=300, required=True)
    shortcode = Text(shortest=1, longest=40, required=True)
    credentials = _credentials(required=True)


class ProviderAccountChangeSchema(_Limits):
    """The fields of an account that can be changed; `is_active: false` is the kill switch."""

    name = Name(shortest=1, longest=100)
    environment = ma.fields.String(validate=ma.validate.OneOf(ENVIRONMENTS))
    base_url = Text(shortest=1, longest=300)
    credentials = _credentials()
    is_active = ma.fields.Boolean()


EXAMPLE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b01",
    "code": "MPESA-NAIROBI",
    "name": "M-Pesa 600992",
    "method": "mpesa",
    "currency": "KES",
    "environment": "sandbox",
    "base_url": "https://sandbox.safaricom.co.ke",
    "shortcode": "600992",
    "options": {},
    "amount_min": None,
    "amount_max": None,
    "is_active": True,
    "credentials_key_id": "5f0c2d9f1a7b3e44",
    "credentials_set_at": "2026-11-20T08:00:00+00:00",
    "credentials_set_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b02",
    "condition": "active",
    "created_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b02",
    "created_at": "2026-11-20T08:00:00+00:00",
    "version": 1,
}

EXAMPLE_NEW: dict[str, Any] = {
    "code": "MPESA-NAIROBI",
    "name": "M-Pesa 600992",
    "method": "mpesa",
    "currency": "KES",
    "environment": "sandbox",
    "base_url": "https://sandbox.safaricom.co.ke",
    "shortcode": "600992",
    "credentials": {
        "consumer_key": "…",
        "consumer_secret": "…",
        "initiator_name": "testapi",
        "initiator_password": "…",
        "certificate_pem": "-----BEGIN CERTIFICATE-----…",
    },
}
