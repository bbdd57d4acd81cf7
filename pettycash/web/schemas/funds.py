"""Funds, stores and their balances on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.imprest import StoreKind
from pettycash.runtime.money import Currency
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Day,
    Name,
    Schema,
    Text,
    UtcDateTime,
)
from pettycash.web.schemas.organisation import code_field


class FundLimitsSchema(Schema):
    """The fields of a fund that one treasury officer sets."""

    name = Name(shortest=1, longest=200, required=True)
    target_balance = Amount(required=True, metadata={"description": "The float."})
    reorder_level = Amount(
        required=True,
        zero=True,
        metadata={"description": "Below it, a replenishment is raised; equal is enough."},
    )
    minimum_balance = Amount(
        zero=True, metadata={"description": "Floor of each store, where holds stop."}
    )
    maximum_balance = Amount(
        allow_none=True, metadata={"description": "What a drawer may hold; null: any amount."}
    )
    cash_limit = Amount(
        allow_none=True,
        metadata={
            "description": "For all cash of a requisition; under a standing validation, also for"
            " all that one payee gets of the fund in a day."
        },
    )


class FundSchema(FundLimitsSchema):
    """An authority to hold money. Its custodians are changed by two people (`/api/changes/`)."""

    id = ma.fields.UUID(dump_only=True)
    code = code_field(required=True)
    currency = Choice(Currency, required=True)
    region_id = ma.fields.UUID(
        allow_none=True, metadata={"description": "A branch brings its own."}
    )
    branch_id = ma.fields.UUID(allow_none=True)
    department_id = ma.fields.UUID(allow_none=True)
    custodian_id = ma.fields.UUID(dump_only=True, allow_none=True)
    alternate_custodian_id = ma.fields.UUID(dump_only=True, allow_none=True)
    is_active = ma.fields.Boolean(dump_only=True)
    current_balance = Amount(dump_only=True, metadata={"description": "The sum of its stores."})
    available = Amount(dump_only=True, metadata={"description": "Less what is held."})
    needs_replenishment = ma.fields.Boolean(dump_only=True)
    created_at = UtcDateTime(dump_only=True)


class StandingValidationSchema(Schema):
    """Cash that goes out of a fund without treasury's validation, from this version to the next."""

    id = ma.fields.UUID(dump_only=True)
    fund_id = ma.fields.UUID(dump_only=True)
    fund_code = ma.fields.String(dump_only=True)
    version = ma.fields.Integer(dump_only=True)
    categories = ma.fields.List(
        ma.fields.String(),
        dump_only=True,
        metadata={"description": "Every line is of one of them; none: from here on it was over."},
    )
    valid_until = UtcDateTime(dump_only=True, allow_none=True)
    is_in_force = ma.fields.Boolean(dump_only=True)
    change_id = ma.fields.UUID(dump_only=True)
    proposed_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True)
    decided_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True)
    created_at = UtcDateTime(dump_only=True)


class FundChangeSchema(Schema):
    """Fields that one person changes; limits take two (`changes/`, kind `fund_limits`)."""

    name = Text(shortest=1, longest=200)
    is_active = ma.fields.Boolean()


class StoreSchema(Schema):
    """A cash drawer, or a share of one provider account; one ledger account each."""

    id = ma.fields.UUID(dump_only=True)
    fund_id = ma.fields.UUID(dump_only=True)
    code = code_field(required=True)
    name = Name(shortest=1, longest=200, required=True)
    kind = Choice(StoreKind, required=True)
    provider_account_id = ma.fields.UUID(
        allow_none=True, metadata={"description": "Of a share; a drawer has none."}
    )
    account_id = ma.fields.UUID(dump_only=True)
    currency = Choice(Currency, dump_only=True)
    is_active = ma.fields.Boolean(dump_only=True)
    created_at = UtcDateTime(dump_only=True)


class StoreChangeSchema(Schema):
    """The fields of a store that can be changed. An empty store can be closed."""

    name = Name(shortest=1, longest=200)
    is_active = ma.fields.Boolean()


class StoreBalanceSchema(Schema):
    """The balance of one store."""

    store_id = ma.fields.UUID()
    code = ma.fields.String()
    name = ma.fields.String()
    kind = Choice(StoreKind)
    account_id = ma.fields.UUID()
    currency = Choice(Currency)
    is_active = ma.fields.Boolean()
    balance = Amount(dump_only=True)
    held = Amount(dump_only=True)
    available = Amount(dump_only=True)
    floor = Amount(dump_only=True)


class FundBalanceSchema(Schema):
    """The balance of a fund, store by store, and the imprest identity."""

    fund_id = ma.fields.UUID()
    currency = Choice(Currency)
    balance = Amount(dump_only=True)
    held = Amount(dump_only=True)
    available = Amount(dump_only=True, metadata={"description": "balance - held"})
    floor = Amount(dump_only=True)
    target_balance = Amount(dump_only=True)
    reorder_level = Amount(dump_only=True)
    needs_replenishment = ma.fields.Boolean()
    imprest_identity = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        metadata={
            "description": "stores + in_transit + advances_outstanding + vouchers_not_replenished"
            " + float_not_put_in = float; `difference` is nought."
        },
    )
    stores = ma.fields.List(ma.fields.Nested(StoreBalanceSchema))


class OpeningBalanceSchema(Schema):
    """The opening balance of a store."""

    store_id = ma.fields.UUID(required=True)
    amount = Amount(required=True)
    day = Day(
        required=True,
        metadata={"description": "The business day at whose beginning it lay there."},
    )
    reason = Text(shortest=1, longest=1000, required=True)


class ReplenishSchema(Schema):
    """Asking by hand."""

    reason = Text(shortest=1, longest=500, required=True)
    store_id = ma.fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "Where the money shall go; else where it was spent."},
    )
    amount = Amount(
        load_default=None,
        allow_none=True,
        metadata={"description": "Instead of what fills the fund to its float."},
    )


_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1{:03d}"

EXAMPLE_NEW_FUND: dict[str, Any] = {
    "code": "KAREN",
    "name": "Karen petty cash",
    "currency": "KES",
    "branch_id": _ID.format(3),
    "target_balance": "50000.00",
    "reorder_level": "20000.00",
    "minimum_balance": "0.00",
    "maximum_balance": "60000.00",
    "cash_limit": "5000.00",
}
EXAMPLE_FUND: dict[str, Any] = {
    "id": _ID.format(1),
    **EXAMPLE_NEW_FUND,
    "region_id": _ID.format(2),
    "department_id": None,
    "custodian_id": _ID.format(4),
    "alternate_custodian_id": None,
    "is_active": True,
    "current_balance": "38500.00",
    "available": "37000.00",
    "needs_replenishment": False,
    "created_at": "2026-11-02T06:00:00+00:00",
}
EXAMPLE_NEW_STORE: dict[str, Any] = {
    "code": "KAREN-DRAWER",
    "name": "Karen cash drawer",
    "kind": "drawer",
}
EXAMPLE_STORE: dict[str, Any] = {
    "id": _ID.format(5),
    "fund_id": _ID.format(1),
    **EXAMPLE_NEW_STORE,
    "provider_account_id": None,
    "account_id": _ID.format(6),
    "currency": "KES",
    "is_active": True,
    "created_at": "2026-11-02T06:00:00+00:00",
}
EXAMPLE_STANDING_VALIDATION: dict[str, Any] = {
    "id": _ID.format(9),
    "fund_id": _ID.format(1),
    "fund_code": "KAREN",
    "version": 1,
    "categories": ["supplies", "travel"],
    "valid_until": "2027-06-30T21:00:00+00:00",
    "is_in_force": True,
    "change_id": _ID.format(7),
    "proposed_by_id": _ID.format(8),
    "decided_by_id": _ID.format(10),
    "created_at": "2026-11-02T07:00:00+00:00",
}
EXAMPLE_IDENTITY = {
    "currency": "KES",
    "float": "50000.00",
    "stores": "38500.00",
    "held": "1500.00",
    "in_transit": "0.00",
    "advances_outstanding": "2000.00",
    "vouchers_not_replenished": "9500.00",
    "payments_under_way": "1500.00",
    "float_not_put_in": "0.00",
    "difference": "0.00",
}
EXAMPLE_BALANCE: dict[str, Any] = {
    "fund_id": _ID.format(1),
    "currency": "KES",
    "balance": "38500.00",
    "held": "1500.00",
    "available": "37000.00",
    "floor": "0.00",
    "target_balance": "50000.00",
    "reorder_level": "20000.00",
    "needs_replenishment": False,
    "imprest_identity": EXAMPLE_IDENTITY,
    "stores": [
        {
            "store_id": _ID.format(5),
            "code": "KAREN-DRAWER",
            "name": "Karen cash drawer",
            "kind": "drawer",
            "account_id": _ID.format(6),
            "currency": "KES",
            "is_active": True,
            "balance": "38500.00",
            "held": "1500.00",
            "available": "37000.00",
            "floor": "0.00",
        }
    ],
}
EXAMPLE_OPENING: dict[str, Any] = {
    "store_id": _ID.format(5),
    "amount": "50000.00",
    "day": "2026-11-02",
    "reason": "Cut-over from the cash book",
}
EXAMPLE_OPENING_CHANGE: dict[str, Any] = {
    "id": _ID.format(7),
    "kind": "opening_balance",
    "status": "proposed",
    "object_id": _ID.format(5),
    "payload": {"amount": "50000.00", "day": "2026-11-02"},
    "reason": "Cut-over from the cash book",
    "proposed_by_id": _ID.format(8),
    "decision_digest": None,
    "decider_id": None,
    "decided_by_id": None,
    "decided_at": None,
    "comment": None,
    "created_at": "2026-11-02T07:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
}
