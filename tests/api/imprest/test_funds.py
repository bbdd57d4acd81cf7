"""Funds and stores over HTTP: opened, limited, handed over, closed; refused as carefully."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from pettycash.models.access import Role, RoleAssignment
from pettycash.runtime import db
from pettycash.services.ledger import posting
from tests import books
from tests.api.client import ApiClient
from tests.api.imprest.fund_calls import fund_of, new_fund

UNKNOWN = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"


# Reading


def test_funds_show_what_they_hold(api: ApiClient) -> None:
    caller = api.as_("treasury")
    with caller.scope(), db.transaction() as session:
        posting.hold(
            session,
            account_id=books.store(session).account_id,
            source="h",
            currency="KES",
            amount=Decimal("10000.01"),
        )

    fund = fund_of(caller)

    assert (fund["current_balance"], fund["available"]) == ("50000.00", "39999.99")
    assert fund["needs_replenishment"] is True
    assert fund_of(caller, "HQ-UGX")["current_balance"] == "2000000"


def test_the_balance_is_told_store_by_store(api: ApiClient) -> None:
    caller = api.as_("custodian")
    fund = fund_of(caller)

    found = caller.get(f"/api/funds/{fund['id']}/balance/").json

    assert [(each["code"], each["balance"]) for each in found["stores"]] == [
        ("WESTLANDS-DRAWER", "10000.00"),
        ("WESTLANDS-MPESA", "40000.00"),
    ]
    assert (found["balance"], found["held"], found["available"], found["floor"]) == (
        "50000.00",
        "0.00",
        "50000.00",
        "0.00",
    )
    assert found["imprest_identity"]["difference"] == "0.00"
    assert found["needs_replenishment"] is False


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("treasury", {"WESTLANDS", "MOMBASA", "HQ", "HQ-UGX"}),
        ("auditor", {"WESTLANDS", "MOMBASA", "HQ", "HQ-UGX"}),
        ("custodian", {"WESTLANDS"}),
        ("branch_manager_mombasa", {"MOMBASA"}),
        ("regional_manager", {"WESTLANDS", "HQ", "HQ-UGX"}),
        ("other_company", {"KISUMU"}),
    ],
)
def test_everybody_sees_the_funds_of_their_scope(
    api: ApiClient, name: str, codes: set[str]
) -> None:
    found = api.as_(name).get("/api/funds/").json["items"]

    assert {each["code"] for each in found} == codes


@pytest.mark.parametrize("name", ["other_company", "custodian_mombasa"])
@pytest.mark.parametrize("path", ["", "balance/", "stores/"])
def test_beyond_ones_scope_there_is_no_fund(api: ApiClient, name: str, path: str) -> None:
    fund = fund_of(api.as_("treasury"))

    refused = api.as_(name).get(f"/api/funds/{fund['id']}/{path}")

    assert refused.status_code == 404
    assert refused.json["code"] == "fund.not_found"


def test_staff_do_not_look_into_funds(api: ApiClient) -> None:
    assert api.as_("staff").get("/api/funds/").status_code == 403


# Opening a fund


def test_a_fund_is_opened_filled_and_kept_by_two_people(api: ApiClient) -> None:
    treasury, second = api.as_("treasury"), api.as_("treasury_2")
    made = treasury.post("/api/funds/", json=new_fund(api))
    assert made.status_code == 201, made.json
    assert made.json["region_id"] is not None
    assert made.json["custodian_id"] is None
    path = made.headers["Location"]
    store = treasury.post(
        f"{path}stores/", json={"code": "HQ-USD-DRAWER", "name": "Safe", "kind": "drawer"}
    )
    assert store.status_code == 201, store.json

    proposed = treasury.post(
        f"{path}opening_balance/",
        json={
            "store_id": store.json["id"],
            "amount": "1000.00",
            "day": "2026-01-01",
            "reason": "Cut-over",
        },
    )
    assert proposed.status_code == 202, proposed.json
    change = f"/api/changes/{proposed.json['id']}/confirm/"
    own = treasury.post(change, json={})
    assert (own.status_code, own.json["code"]) == (403, "decision.own")
    assert treasury.get(path).json["current_balance"] == "0.00"
    assert second.post(change, json={}).status_code == 200
    assert treasury.get(path).json["current_balance"] == "1000.00"

    again = treasury.post(
        f"{path}opening_balance/",
        json={
            "store_id": store.json["id"],
            "amount": "1.00",
            "day": "2026-01-01",
            "reason": "Again",
        },
    )
    assert (again.status_code, again.json["code"]) == (409, "ledger.already_posted")


def test_a_custodian_comes_and_goes_by_two_people(api: ApiClient) -> None:
    treasury, second = api.as_("treasury"), api.as_("treasury_2")
    fund = fund_of(treasury, "MOMBASA")
    before, after = api.as_("custodian_mombasa"), api.as_("staff_mombasa")
    proposed = treasury.post(
        "/api/changes/",
        json={
            "kind": "custodian",
            "object_id": fund["id"],
            "payload": {"custodian_id": str(after.user_id)},
            "reason": "Leave",
        },
    )
    assert proposed.status_code == 202, proposed.json
    shown = treasury.get(f"/api/funds/{fund['id']}/").json
    assert shown == shown | fund
    assert shown["people"] == {fund["custodian_id"]: "Custodian, Mombasa"}

    confirmed = second.post(f"/api/changes/{proposed.json['id']}/confirm/", json={})

    assert confirmed.status_code == 200, confirmed.json
    found = treasury.get(f"/api/funds/{fund['id']}/").json
    assert found["custodian_id"] == str(after.user_id)
    assert found["alternate_custodian_id"] is None
    assert before.get("/api/funds/").status_code == 403
    with treasury.scope(), db.transaction() as session:
        [role] = session.execute(
            select(RoleAssignment).where(
                RoleAssignment.user_id == after.user_id, RoleAssignment.role == Role.CUSTODIAN
            )
        ).scalars()
        assert role.scope_id == UUID(fund["id"])
        assert (role.proposed_by, role.confirmed_by) == (treasury.user_id, second.user_id)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"custodian_id": UNKNOWN}, "fund.invalid_custodian"),
        ({"custodian_id": "nobody"}, "fund.invalid_custodian"),
        ({}, "fund.invalid_custodian"),
        ({"custodian_id": "same", "alternate_custodian_id": "same"}, "fund.invalid_custodian"),
        ({"custodian_id": "same", "extra": 1}, "fund.invalid_custodian"),
    ],
)
def test_a_custodian_is_a_member_and_the_alternate_somebody_else(
    api: ApiClient, payload: dict[str, Any], code: str
) -> None:
    treasury = api.as_("treasury")
    same = str(api.as_("staff_mombasa").user_id)
    sent = {name: same if value == "same" else value for name, value in payload.items()}

    refused = treasury.post(
        "/api/changes/",
        json={
            "kind": "custodian",
            "object_id": fund_of(treasury, "MOMBASA")["id"],
            "payload": sent,
            "reason": "x",
        },
    )

    assert (refused.status_code, refused.json["code"]) == (422, code)


def test_nobody_appoints_themselves(api: ApiClient) -> None:
    """Their roles exclude a custodian's: it is refused when it is proposed."""
    treasury, second = api.as_("treasury"), api.as_("treasury_2")
    for custodian in (treasury, second):
        refused = treasury.post(
            "/api/changes/",
            json={
                "kind": "custodian",
                "object_id": fund_of(treasury, "MOMBASA")["id"],
                "payload": {"custodian_id": str(custodian.user_id)},
                "reason": "x",
            },
        )
        assert (refused.status_code, refused.json["code"]) == (409, "role_assignment.incompatible")


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"reorder_level": "1000.00"}, 422, "fund.invalid", "reorder_level"),
        ({"maximum_balance": "999.99"}, 422, "fund.invalid", "maximum_balance"),
        ({"minimum_balance": "1000.00"}, 422, "fund.invalid", "minimum_balance"),
        ({"branch_id": UNKNOWN}, 422, "fund.invalid", "branch_id"),
        ({"branch_id": None, "region_id": UNKNOWN}, 422, "fund.invalid", "region_id"),
        ({"department_id": UNKNOWN}, 422, "fund.invalid", "department_id"),
        ({"currency": "UGX", "target_balance": "10.50"}, 422, "fund.invalid", "target_balance"),
        ({"code": "WESTLANDS"}, 409, "fund.exists", None),
        ({"currency": "KES"}, 409, "fund.exists", None),
        ({"target_balance": 1000}, 422, "request.invalid", "target_balance"),
        ({"target_balance": "-1.00"}, 422, "request.invalid", "target_balance"),
        ({"target_balance": "1e3"}, 422, "request.invalid", "target_balance"),
        ({"cash_limit": "0.00"}, 422, "request.invalid", "cash_limit"),
        ({"custodian_id": UNKNOWN}, 422, "request.invalid", "custodian_id"),
        ({"current_balance": "1.00"}, 422, "request.invalid", "current_balance"),
        ({"currency": "GBP"}, 422, "request.invalid", "currency"),
    ],
)
def test_a_fund_that_cant_be_is_refused(
    api: ApiClient, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    refused = api.as_("treasury").post("/api/funds/", json=new_fund(api, **changes))

    assert (refused.status_code, refused.json["code"]) == (status, code)
    if field is not None:
        assert field in refused.json["errors"]


@pytest.mark.parametrize("name", ["custodian", "cfo", "admin", "auditor"])
def test_only_treasury_opens_funds(api: ApiClient, name: str) -> None:
    assert api.as_(name).post("/api/funds/", json=new_fund(api)).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_fund_is_not_replaced_or_deleted(api: ApiClient, method: str) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)

    assert treasury.request(method, f"/api/funds/{fund['id']}/").status_code == 405
