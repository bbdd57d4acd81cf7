"""Replenishments on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.imprest import ReplenishmentStatus
from pettycash.runtime.money import Currency
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Code,
    People,
    Schema,
    Text,
    UtcDateTime,
)
from pettycash.web.schemas.funds import EXAMPLE_IDENTITY
from pettycash.web.schemas.payments import ReleaseSchema


class ReplenishmentSchema(Schema):
    """A request to fill a fund up to its float, and what became of it."""

    id = ma.fields.UUID(dump_only=True)
    number = ma.fields.String(dump_only=True)
    fund_id = ma.fields.UUID(dump_only=True)
    store_id = ma.fields.UUID(dump_only=True)
    currency = Choice(Currency, dump_only=True)
    status = Choice(ReplenishmentStatus, dump_only=True)
    status_changed_at = UtcDateTime(dump_only=True)
    auto_triggered = ma.fields.Boolean(dump_only=True)
    requested_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True, allow_none=True)
    requested_at = UtcDateTime(attribute="created_at", dump_only=True)
    updated_at = UtcDateTime(dump_only=True)
    reason = ma.fields.String(dump_only=True, allow_none=True)
    current_balance = Amount(
        dump_only=True, metadata={"description": "Of the fund, when it was raised."}
    )
    available = Amount(dump_only=True)
    requested_amount = Amount(dump_only=True)
    imprest_identity = ma.fields.Dict(
        attribute="identity",
        keys=ma.fields.String(),
        values=ma.fields.String(),
        dump_only=True,
        metadata={"description": "As it stood when it was raised, then when it was approved."},
    )
    approved_amount = Amount(dump_only=True, allow_none=True)
    approved_by_id = ma.fields.UUID(attribute="approved_by", dump_only=True, allow_none=True)
    approved_at = UtcDateTime(dump_only=True, allow_none=True)
    rejected_by_id = ma.fields.UUID(attribute="rejected_by", dump_only=True, allow_none=True)
    rejected_at = UtcDateTime(dump_only=True, allow_none=True)
    cancelled_by_id = ma.fields.UUID(attribute="cancelled_by", dump_only=True, allow_none=True)
    cancelled_at = UtcDateTime(dump_only=True, allow_none=True)
    decision_reason = ma.fields.String(dump_only=True, allow_none=True)
    executor_id = ma.fields.UUID(dump_only=True, allow_none=True)
    release_locked_at = UtcDateTime(dump_only=True, allow_none=True)
    funded_by_id = ma.fields.UUID(attribute="funded_by", dump_only=True, allow_none=True)
    funded_at = UtcDateTime(dump_only=True, allow_none=True)
    bank_reference = ma.fields.String(dump_only=True, allow_none=True)
    received_by_id = ma.fields.UUID(attribute="received_by", dump_only=True, allow_none=True)
    received_at = UtcDateTime(dump_only=True, allow_none=True)
    completed_at = UtcDateTime(attribute="received_at", dump_only=True, allow_none=True)
    received_amount = Amount(dump_only=True, allow_none=True)
    lost_amount = Amount(
        dump_only=True,
        metadata={"description": "Of a short delivery, what two people gave up."},
    )


class ReplenishmentDetailSchema(ReplenishmentSchema):
    """A replenishment with the names in it and the state of its release."""

    fund_name = ma.fields.String(dump_only=True)
    store_name = ma.fields.String(dump_only=True)
    in_transit = Amount(
        dump_only=True,
        zero=True,
        metadata={"description": "Funded, and neither received nor given up."},
    )
    release = ma.fields.Nested(ReleaseSchema, dump_only=True, allow_none=True)
    people = People()


class ReplenishmentReasonSchema(Schema):
    """Why."""

    reason = Text(shortest=1, longest=500, required=True)


class TransferCodeSchema(Schema):
    """A code that was sent, or the one that a TOTP app shows."""

    code = Code(required=True)


class TransferCodeSentSchema(Schema):
    """A release that waits for its code."""

    executor_id = ma.fields.UUID(dump_only=True)
    expires_at = UtcDateTime(dump_only=True)
    sends = ma.fields.Integer(dump_only=True)


class TransferGrantSchema(Schema):
    """The grant of a right code: one release by the same person."""

    executor_id = ma.fields.UUID(dump_only=True)
    verified_at = UtcDateTime(dump_only=True)
    expires_at = UtcDateTime(dump_only=True)


class TransferSchema(Schema):
    """The bank's evidence of the transfer."""

    bank_reference = Text(shortest=1, longest=64, required=True)
    bank_account_id = ma.fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "The ledger account it left; else the company's bank account."},
    )


class DeliverySchema(Schema):
    """The counted money."""

    amount = Amount(required=True)


_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f2{:03d}"

EXAMPLE_REPLENISHMENT: dict[str, Any] = {
    "id": _ID.format(1),
    "number": "REP-2026-000007",
    "fund_id": _ID.format(2),
    "store_id": _ID.format(3),
    "currency": "KES",
    "status": "pending",
    "status_changed_at": "2026-11-20T08:00:00+00:00",
    "auto_triggered": False,
    "requested_by_id": _ID.format(4),
    "requested_at": "2026-11-20T08:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
    "reason": "The school trip next week",
    "current_balance": "38500.00",
    "available": "37000.00",
    "requested_amount": "11000.00",
    "imprest_identity": EXAMPLE_IDENTITY,
    "approved_amount": None,
    "approved_by_id": None,
    "approved_at": None,
    "rejected_by_id": None,
    "rejected_at": None,
    "cancelled_by_id": None,
    "cancelled_at": None,
    "decision_reason": None,
    "executor_id": None,
    "release_locked_at": None,
    "funded_by_id": None,
    "funded_at": None,
    "bank_reference": None,
    "received_by_id": None,
    "received_at": None,
    "completed_at": None,
    "received_amount": None,
    "lost_amount": "0.00",
}
EXAMPLE_APPROVED = EXAMPLE_REPLENISHMENT | {
    "status": "approved",
    "approved_amount": "11000.00",
    "approved_by_id": _ID.format(5),
    "approved_at": "2026-11-20T09:00:00+00:00",
}
EXAMPLE_REJECTED = EXAMPLE_REPLENISHMENT | {
    "status": "rejected",
    "rejected_by_id": _ID.format(5),
    "rejected_at": "2026-11-20T09:00:00+00:00",
    "decision_reason": "Next month",
}
EXAMPLE_CANCELLED = EXAMPLE_REPLENISHMENT | {
    "status": "cancelled",
    "cancelled_by_id": _ID.format(4),
    "cancelled_at": "2026-11-20T09:00:00+00:00",
    "decision_reason": "Not needed any more",
}
EXAMPLE_FUNDED = EXAMPLE_APPROVED | {
    "status": "funded",
    "executor_id": _ID.format(6),
    "funded_by_id": _ID.format(6),
    "funded_at": "2026-11-20T10:00:00+00:00",
    "bank_reference": "FT26325XYZ",
}
EXAMPLE_RECEIVED = EXAMPLE_FUNDED | {
    "status": "received",
    "received_by_id": _ID.format(7),
    "received_at": "2026-11-20T12:00:00+00:00",
    "completed_at": "2026-11-20T12:00:00+00:00",
    "received_amount": "11000.00",
}
EXAMPLE_SENT = {
    "executor_id": _ID.format(6),
    "expires_at": "2026-11-20T09:35:00+00:00",
    "sends": 1,
}
EXAMPLE_GRANT = {
    "executor_id": _ID.format(6),
    "verified_at": "2026-11-20T09:31:00+00:00",
    "expires_at": "2026-11-20T09:36:00+00:00",
}
EXAMPLE_DETAIL = EXAMPLE_REPLENISHMENT | {
    "fund_name": "Karen petty cash",
    "store_name": "Karen cash drawer",
    "in_transit": "0.00",
    "release": None,
    "people": {_ID.format(4): "Cashier, Westlands"},
}
