"""Requisitions over HTTP, at any point of their life."""

from typing import Any

from werkzeug.test import TestResponse

from tests.api.client import ApiClient, Caller

PATH = "/api/requisitions/"
NEW: dict[str, Any] = {
    "kind": "expense",
    "amount": "1500.00",
    "currency": "KES",
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "method": "mpesa",
    "destination": "0712345678",
    "lines": [{"description": "Water", "amount": "1500.00", "category": "utilities"}],
}


def of_amount(amount: str, **more: Any) -> dict[str, Any]:
    """The body of a new one of an amount."""
    return (
        NEW
        | {
            "amount": amount,
            "lines": [{"description": "Water", "amount": amount, "category": "utilities"}],
        }
        | more
    )


def raised(caller: Caller, **more: Any) -> dict[str, Any]:
    """A draft."""
    answer = caller.post(PATH, json=NEW | more, key=True)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def submitted(caller: Caller, **more: Any) -> dict[str, Any]:
    """One that waits for its first approver."""
    requisition = raised(caller, **more)
    answer = caller.post(f"{PATH}{requisition['id']}/submit/")
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


def decide(caller: Caller, requisition: dict[str, Any], verb: str, **more: Any) -> TestResponse:
    """Read as the decider, then decide on what was read."""
    read = caller.get(f"{PATH}{requisition['id']}/").json
    body = {"decision_digest": read.get("decision_digest")} | more
    return caller.post(f"{PATH}{requisition['id']}/{verb}/", json=body)


def approved(api: ApiClient, **more: Any) -> dict[str, Any]:
    """One that waits for treasury, after its only approver."""
    requisition = submitted(api.as_("staff"), **more)
    answer = decide(api.as_("branch_manager"), requisition, "approve")
    assert answer.json["status"] == "pending_treasury_validation", answer.json
    return dict(answer.json)


def code(answer: TestResponse) -> tuple[int, str]:
    """Status and stable word of a refusal."""
    return answer.status_code, answer.json["code"]
