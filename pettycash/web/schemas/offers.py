"""Offers on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.web.schemas.fields import Schema


class OfferSchema(Schema):
    """An operation that your roles reach, and what stands in its way now."""

    operation = ma.fields.String(required=True)
    is_open = ma.fields.Boolean(required=True)
    code = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Of the refusal that it would meet; null where it is open."},
    )
    detail = ma.fields.String(required=True, allow_none=True)


class OffersSchema(Schema):
    """The operations of one object that your roles reach."""

    items = ma.fields.List(ma.fields.Nested(OfferSchema), required=True)


EXAMPLE_OFFERS: dict[str, Any] = {
    "items": [
        {"operation": "payments.cancel", "is_open": True, "code": None, "detail": None},
        {
            "operation": "payments.send_otp",
            "is_open": False,
            "code": "release.not_separate",
            "detail": "You made or changed the payment: a maker is never its releaser.",
        },
    ]
}
