"""Calls about funds that several tests make."""

from typing import Any

from tests.api.client import ApiClient, Caller


def fund_of(caller: Caller, code: str = "WESTLANDS") -> dict[str, Any]:
    [found] = [each for each in caller.get("/api/funds/").json["items"] if each["code"] == code]
    return dict(found)


def branch_id(api: ApiClient, code: str) -> str:
    return str(api.as_("admin").get(f"/api/branches/?code={code}").json["items"][0]["id"])


def new_fund(api: ApiClient, **changes: Any) -> dict[str, Any]:
    return {
        "code": "HQ-USD",
        "name": "Head office dollars",
        "currency": "USD",
        "branch_id": branch_id(api, "HQ"),
        "target_balance": "1000.00",
        "reorder_level": "200.00",
        **changes,
    }
