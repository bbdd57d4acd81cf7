"""Examples of requisitions for the OpenAPI document."""

from typing import Any

EXAMPLE_DIGEST = "9f2c1c5a9a1f4d0f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f"
_REQUISITION = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1001"
_STAFF = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1002"
_MANAGER = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1003"
_THRESHOLD = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1004"
_BRANCH = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1005"

_LINE: dict[str, Any] = {
    "description": "Drinking water, 30 bottles",
    "amount": "1500.00",
    "category": "utilities",
}
EXAMPLE_NEW: dict[str, Any] = {
    "kind": "expense",
    "origin": "branch",
    "amount": "1500.00",
    "currency": "KES",
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "method": "mpesa",
    "destination": "0712345678",
    "lines": [_LINE],
    "external_reference": "PO-4711",
    "metadata": {"order": "4711"},
}
EXAMPLE_REQUISITION: dict[str, Any] = {
    "id": _REQUISITION,
    "number": "REQ-2026-000123",
    "status": "pending_branch_approval",
    "status_changed_at": "2026-11-20T08:00:00+00:00",
    "kind": "expense",
    "origin": "branch",
    "origin_reason": None,
    "requester_id": _STAFF,
    "client_id": None,
    "external_reference": "PO-4711",
    "metadata": {"order": "4711"},
    "region_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1006",
    "branch_id": _BRANCH,
    "department_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1007",
    "cost_center_id": None,
    "amount": "1500.00",
    "currency": "KES",
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "payee_name_mixes_scripts": False,
    "payee_user_id": None,
    "method": "mpesa",
    "destination": "254712345678",
    "is_urgent": False,
    "urgency_reason": None,
    "tier": 1,
    "approved_amount": None,
    "submitted_at": "2026-11-20T08:00:00+00:00",
    "approved_at": None,
    "validated_at": None,
    "validated_by_id": None,
    "held_at": None,
    "hold_reason": None,
    "open_redirect_id": None,
    "paid_at": None,
    "created_at": "2026-11-20T07:55:00+00:00",
    "updated_at": "2026-11-20T07:55:00+00:00",
    "version": 2,
}
_POLICY: dict[str, Any] = {
    "threshold_id": _THRESHOLD,
    "version": 1,
    "name": "Tier 1",
    "tier": 1,
    "top_tier": 4,
    "origin": "branch",
    "currency": "KES",
    "min_amount": "0.00",
    "max_amount": "10000.00",
    "roles_sequence": ["branch_manager"],
    "requires_cfo": False,
    "allow_urgent_fasttrack": False,
}
EXAMPLE_STEP: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1008",
    "position": 1,
    "role": "branch_manager",
    "original_role": "branch_manager",
    "status": "open",
    "assignee_ids": [_MANAGER],
    "confirms_urgency": False,
    "auto_escalated": False,
    "escalation_reason": None,
    "opened_at": "2026-11-20T08:00:00+00:00",
    "closed_at": None,
}
EXAMPLE_DETAIL: dict[str, Any] = {
    **EXAMPLE_REQUISITION,
    "lines": [
        {
            "position": 1,
            **_LINE,
            "cost_center_id": None,
            "budget_line_id": None,
            "tax_code": None,
            "tax_amount": None,
        }
    ],
    "approval": {
        "round": 1,
        "status": "open",
        "threshold_id": _THRESHOLD,
        "policy": _POLICY,
        "override": None,
        "steps": [EXAMPLE_STEP],
    },
    "payments": [],
    "warnings": [],
    "payments_needed": 1,
    "decision_digest": EXAMPLE_DIGEST,
}


def example_in(status: str, **more: Any) -> dict[str, Any]:
    """The example, later in its life."""
    return {**EXAMPLE_DETAIL, "status": status, **more}


EXAMPLE_IN_PAYMENT = example_in(
    "in_payment",
    approved_amount="1500.00",
    approved_at="2026-11-20T09:00:00+00:00",
    validated_at="2026-11-20T10:00:00+00:00",
    validated_by_id="0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1009",
    approval={
        **EXAMPLE_DETAIL["approval"],
        "status": "approved",
        "steps": [{**EXAMPLE_STEP, "status": "approved", "closed_at": "2026-11-20T09:00:00+00:00"}],
    },
    payments=[
        {
            "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f100a",
            "number": "PAY-2026-000123",
            "ordinal": 1,
            "status": "pending",
            "amount": "1500.00",
            "currency": "KES",
            "method": "mpesa",
            "store_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f100b",
        }
    ],
)
EXAMPLE_TRAIL: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f100c",
    "action": "approved",
    "user_id": _MANAGER,
    "on_behalf_of_id": None,
    "role": "branch_manager",
    "comment": "Fine.",
    "timestamp": "2026-11-20T09:00:00+00:00",
    "digest": EXAMPLE_DIGEST,
    "auto_escalated": False,
    "escalation_reason": None,
    "skipped_roles": [],
    "override": None,
    "ip_address": None,
    "user_agent": None,
}
EXAMPLE_ATTACHMENT: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f100d",
    "requisition_id": _REQUISITION,
    "payment_id": None,
    "case_id": None,
    "filename": "receipt.pdf",
    "content_type": "application/pdf",
    "size": 48213,
    "sha256": EXAMPLE_DIGEST,
    "is_later": False,
    "uploaded_by_id": _STAFF,
    "created_at": "2026-11-20T08:30:00+00:00",
}
EXAMPLE_INBOX: dict[str, Any] = {
    "requisition": EXAMPLE_REQUISITION,
    "step": EXAMPLE_STEP,
    "redirect": None,
    "warnings": [],
    "asks_urgency": False,
    "decision_digest": EXAMPLE_DIGEST,
}
