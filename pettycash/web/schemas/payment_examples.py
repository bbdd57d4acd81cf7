"""Examples of payments for the OpenAPI document."""

from typing import Any

ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0{:03d}"

EXAMPLE_PAYMENT: dict[str, Any] = {
    "id": ID.format(1),
    "number": "PAY-2026-000123",
    "requisition_id": ID.format(2),
    "requisition_number": "REQ-2026-000123",
    "ordinal": 1,
    "payment_type": "expense",
    "store_id": ID.format(3),
    "provider_account_id": ID.format(4),
    "amount": "1500.00",
    "currency": "KES",
    "method": "mpesa",
    "payee_name": "Spring Water",
    "payee_name_mixes_scripts": False,
    "payee_user_id": None,
    "destination": "254712345678",
    "phone_number": "254712345678",
    "status": "pending",
    "status_changed_at": "2026-11-20T08:00:00+00:00",
    "maker_id": ID.format(5),
    "standing_validation_id": None,
    "executor_id": None,
    "otp_required": True,
    "failure_confirmed": True,
    "is_blocked": False,
    "blocked_by_case_id": None,
    "open_redirect_id": None,
    "is_release_locked": False,
    "retry_count": 0,
    "max_retries": 3,
    "last_error": None,
    "originator_reference": None,
    "transaction_reference": None,
    "provider_reference": None,
    "gateway_reference": None,
    "gateway_status": None,
    "paid_at": None,
    "paid_amount": None,
    "reconciled": False,
    "reconciled_at": None,
    "reconciled_by_id": None,
    "reconciled_with": None,
    "external_reference": None,
    "metadata": {},
    "created_at": "2026-11-20T08:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
    "version": 1,
}

EXAMPLE_LINES = ["KES 1500.00", '"Spring Water"', "M-Pesa 254712345678"]

EXAMPLE_RELEASE: dict[str, Any] = {
    "lines": EXAMPLE_LINES,
    "executor_id": ID.format(6),
    "state": "live",
    "end_cause": None,
    "requested_at": "2026-11-20T08:01:00+00:00",
    "otp_sent_timestamp": "2026-11-20T08:01:01+00:00",
    "expires_at": "2026-11-20T08:06:01+00:00",
    "tries_left": 5,
    "otp_verified": False,
    "otp_verified_timestamp": None,
    "grant_expires_at": None,
    "is_spendable": False,
}

EXAMPLE_VERIFIED: dict[str, Any] = {
    **EXAMPLE_RELEASE,
    "state": "verified",
    "tries_left": 4,
    "otp_verified": True,
    "otp_verified_timestamp": "2026-11-20T08:02:00+00:00",
    "grant_expires_at": "2026-11-20T08:07:00+00:00",
    "is_spendable": True,
}

EXAMPLE_DETAIL: dict[str, Any] = {
    **EXAMPLE_PAYMENT,
    "lines": EXAMPLE_LINES,
    "release": None,
    "acknowledgement": None,
}

EXAMPLE_EXECUTING: dict[str, Any] = {
    **EXAMPLE_DETAIL,
    "status": "executing",
    "executor_id": ID.format(6),
    "originator_reference": "PC-5TQXV3WK7Z2H4MBC",
    "transaction_reference": "PC-5TQXV3WK7Z2H4MBC",
    "gateway_status": "queued",
    "release": EXAMPLE_VERIFIED,
    "version": 3,
}

EXAMPLE_PAID: dict[str, Any] = {
    **EXAMPLE_EXECUTING,
    "status": "success",
    "provider_reference": "RKT1234567",
    "gateway_reference": "RKT1234567",
    "gateway_status": "settled",
    "paid_at": "2026-11-20T08:02:31+00:00",
    "paid_amount": "1500.00",
    "version": 4,
}

EXAMPLE_EXECUTION: dict[str, Any] = {
    "id": ID.format(7),
    "payment_id": ID.format(1),
    "attempt_number": 1,
    "originator_reference": "PC-5TQXV3WK7Z2H4MBC",
    "executor_id": ID.format(6),
    "amount": "1500.00",
    "currency": "KES",
    "proof": "code",
    "otp_verified_at": "2026-11-20T08:02:00+00:00",
    "ip_address": "192.0.2.7",
    "user_agent": "curl/8.5.0",
    "executed_at": "2026-11-20T08:02:10+00:00",
    "state": "settled",
    "tries": 1,
    "first_sent_at": "2026-11-20T08:02:11+00:00",
    "last_sent_at": "2026-11-20T08:02:11+00:00",
    "decide_by": "2026-11-20T08:07:11+00:00",
    "ever_unknown": False,
    "questions": 0,
    "next_question_at": None,
    "provider_reference": "RKT1234567",
    "settled_amount": "1500.00",
    "fee": "22.40",
    "outcome_code": "0",
    "outcome_message": "The service request is processed successfully.",
}

EXAMPLE_TRANSACTION: dict[str, Any] = {
    "id": ID.format(8),
    "payment_id": ID.format(1),
    "gateway": "mpesa",
    "request_type": "INITIATE",
    "status": "accepted",
    "success": True,
    "code": "0",
    "message": "Accept the service request successfully.",
    "http_status": 200,
    "processing_time_ms": 412,
    "request": {"OriginatorConversationID": "PC-5TQXV3WK7Z2H4MBC", "PartyB": "*********678"},
    "response": {"ConversationID": "AG_20261120_00006a7f", "ResponseCode": "0"},
    "request_id": "6f1b0c6e0d3b4f0c8f6f2f1f5d0c9a11",
    "created_at": "2026-11-20T08:02:11+00:00",
}
