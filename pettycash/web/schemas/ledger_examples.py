"""Examples of the books on the wire."""

from typing import Any

_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f4{:03d}"

EXAMPLE_LINE: dict[str, Any] = {
    "id": _ID.format(1),
    "entry_id": _ID.format(2),
    "fund_id": _ID.format(3),
    "store_id": _ID.format(4),
    "account_id": _ID.format(5),
    "type": "debit",
    "direction": "out",
    "side": "credit",
    "amount": "1500.00",
    "currency": "KES",
    "balance": "48500.00",
    "store_balance": "38500.00",
    "category": None,
    "rule": "expense",
    "source": f"payment:{_ID.format(6)}:settled",
    "description": "PAY-2026-000012 for REQ-2026-000031",
    "occurred_at": "2026-11-20T08:00:00+00:00",
    "recorded_at": "2026-11-20T08:00:02+00:00",
    "accounting_date": "2026-11-20",
    "payment_id": _ID.format(6),
    "payment_execution_id": _ID.format(7),
    "replenishment_id": None,
    "variance_id": None,
    "created_by_id": None,
    "reconciled": True,
    "reconciled_at": "2026-11-20T22:00:05+00:00",
    "reconciled_by_id": None,
    "reconciled_with": "gateway_query",
}
EXAMPLE_ENTRY: dict[str, Any] = {
    "id": _ID.format(2),
    "source": f"payment:{_ID.format(6)}:settled",
    "rule": "expense",
    "description": "PAY-2026-000012 for REQ-2026-000031",
    "currency": "KES",
    "amount": "1500.00",
    "occurred_at": "2026-11-20T08:00:00+00:00",
    "recorded_at": "2026-11-20T08:00:02+00:00",
    "accounting_date": "2026-11-20",
    "payment_id": _ID.format(6),
    "payment_execution_id": _ID.format(7),
    "reverses_entry_id": None,
    "created_by_id": None,
    "request_id": None,
    "postings": [
        {
            "id": _ID.format(8 + number),
            "account_id": _ID.format(10 + number),
            "account_code": code,
            "account_name": name,
            "side": side,
            "amount": "1500.00",
            "currency": "KES",
            "sequence": 12,
            "balance_after": balance,
            "fund_id": _ID.format(3),
            "branch_id": _ID.format(12),
            "department_id": _ID.format(13),
            "cost_center_id": None,
            "category": category,
            "party_id": None,
        }
        for number, (code, name, side, balance, category) in enumerate(
            (
                ("5000.travel", "Expense: travel", "debit", "21500.00", "travel"),
                ("1000.WESTLANDS-MPESA", "Westlands on M-Pesa", "credit", "38500.00", None),
            )
        )
    ],
}
EXAMPLE_NEW_ACCOUNT: dict[str, Any] = {
    "kind": "expense",
    "code": "5000.fuel",
    "name": "Fuel",
    "category": "fuel",
    "currency": "KES",
}
EXAMPLE_ACCOUNT: dict[str, Any] = {
    "id": _ID.format(5),
    **EXAMPLE_NEW_ACCOUNT,
    "fund_id": None,
    "provider_account_id": None,
    "party_id": None,
    "balance": "0.00",
    "held": "0.00",
    "floor": "0.00",
    "sequence": 0,
    "is_active": True,
    "created_at": "2026-11-02T06:00:00+00:00",
}
EXAMPLE_PERIOD: dict[str, Any] = {
    "month": "2026-10",
    "state": "open",
    "soft_closed_by_id": None,
    "soft_closed_at": None,
    "hard_closed_by_id": None,
    "hard_closed_at": None,
}
EXAMPLE_SOFT = EXAMPLE_PERIOD | {
    "state": "soft_closed",
    "soft_closed_by_id": _ID.format(30),
    "soft_closed_at": "2026-11-03T08:00:00+00:00",
}
EXAMPLE_HARD = EXAMPLE_SOFT | {
    "state": "hard_closed",
    "hard_closed_by_id": _ID.format(31),
    "hard_closed_at": "2026-11-05T08:00:00+00:00",
}

EXAMPLE_CATEGORY: dict[str, Any] = {"category": "travel", "name": "Expense: travel"}
