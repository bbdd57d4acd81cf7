"""Funds and stores change and close over HTTP; refused as carefully."""

from typing import Any

import pytest
from sqlalchemy import select, text

from pettycash.models.access import SecurityEvent
from pettycash.models.operations import Case, CaseKind
from pettycash.runtime import db
from tests import books
from tests.api.client import ApiClient, Caller
from tests.api.imprest.fund_calls import fund_of, new_fund

UNKNOWN = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"


def change(caller: Caller, fund: dict[str, Any], **body: Any) -> Any:
    path = f"/api/funds/{fund['id']}/"
    return caller.patch(path, json=body, etag=caller.get(path).headers["ETag"])


def propose(caller: Caller, fund: dict[str, Any], **limits: Any) -> Any:
    body = {
        "kind": "fund_limits",
        "object_id": fund["id"],
        "payload": limits,
        "reason": "The office has grown.",
    }
    return caller.post("/api/changes/", json=body)


def agree(api: ApiClient, fund: dict[str, Any], **limits: Any) -> None:
    """Let two people change limits."""
    proposed = propose(api.as_("treasury"), fund, **limits)
    assert proposed.status_code == 202, proposed.json
    confirmed = api.as_("treasury_2").post(f"/api/changes/{proposed.json['id']}/confirm/", json={})
    assert confirmed.status_code == 200, confirmed.json


def test_a_name_changes_under_an_etag(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)
    path = f"/api/funds/{fund['id']}/"
    etag = treasury.get(path).headers["ETag"]

    changed = treasury.patch(path, json={"name": "Westlands office"}, etag=etag)

    assert (changed.status_code, changed.json["name"]) == (200, "Westlands office")
    assert treasury.patch(path, json={"name": "x"}, etag=etag).status_code == 412
    assert treasury.patch(path, json={"name": "x"}).status_code == 428


def test_two_people_change_limits_and_nobody_alone(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)
    alone = change(treasury, fund, cash_limit="7000000.00")
    assert alone.status_code == 422, alone.json

    proposed = propose(treasury, fund, cash_limit="7000.00", maximum_balance=None)
    own = treasury.post(f"/api/changes/{proposed.json['id']}/confirm/", json={})
    assert (own.status_code, own.json["code"]) == (403, "decision.own")
    assert fund_of(treasury) == fund
    agree(api, fund, cash_limit="7000.00")

    assert fund_of(treasury)["cash_limit"] == "7000.00"
    with treasury.scope(), db.transaction() as session:
        logged = session.execute(
            select(SecurityEvent.detail).where(SecurityEvent.event == "fund.limits_changed")
        ).scalar_one()
    assert logged["old"] == {"cash_limit": fund["cash_limit"]}
    assert logged["new"] == {"cash_limit": "7000.00"}


@pytest.mark.parametrize(
    "limits", [{}, {"cash_limit": 7000}, {"target_balance": None}, {"name": "x"}]
)
def test_limits_that_are_none_are_refused(api: ApiClient, limits: dict[str, Any]) -> None:
    treasury = api.as_("treasury")

    refused = propose(treasury, fund_of(treasury), **limits)

    assert (refused.status_code, refused.json["code"]) == (422, "fund.invalid")


def test_a_raised_minimum_is_the_floor_of_every_store(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)

    agree(api, fund, minimum_balance="12000.00")

    stores = treasury.get(f"/api/funds/{fund['id']}/balance/").json["stores"]
    assert {each["floor"] for each in stores} == {"12000.00"}
    with treasury.scope(), db.transaction() as session:
        # The drawer holds 10,000: below the floor that was just raised.
        case = session.execute(select(Case).where(Case.kind == CaseKind.BELOW_FLOOR)).scalar_one()
        assert case.object_id == books.store(session, "WESTLANDS-DRAWER").id
    agree(api, fund, minimum_balance="0.00")
    with treasury.scope(), db.transaction() as session:
        assert session.execute(text("SELECT status FROM cases")).scalar_one() == "resolved"


def test_a_raised_level_asks_for_money(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)
    with treasury.scope(), db.transaction() as session:
        books.pay(session, "100.00")

    agree(api, fund, reorder_level="49950.00")

    [found] = treasury.get(f"/api/replenishments/?fund_id={fund['id']}").json["items"]
    assert found["requested_amount"] == "100.00"


@pytest.mark.parametrize(
    "body",
    [
        {"reorder_level": "50000.00"},
        {"target_balance": "40000.00"},
        {"minimum_balance": "50000.00"},
    ],
)
def test_limits_that_contradict_each_other_are_refused(
    api: ApiClient, body: dict[str, str]
) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)

    assert propose(treasury, fund, **body).json["code"] == "fund.invalid"
    assert fund_of(treasury) == fund


@pytest.mark.parametrize("field", ["currency", "branch_id", "code", "custodian_id"])
def test_place_currency_and_custodian_are_not_changed_so(api: ApiClient, field: str) -> None:
    treasury = api.as_("treasury")

    assert change(treasury, fund_of(treasury), **{field: "KES"}).status_code == 422


def test_a_fund_with_money_is_not_closed(api: ApiClient) -> None:
    treasury = api.as_("treasury")

    refused = change(treasury, fund_of(treasury), is_active=False)

    assert (refused.status_code, refused.json["code"]) == (409, "fund.in_use")


def test_an_empty_fund_is_closed_with_its_stores(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    made = treasury.post("/api/funds/", json=new_fund(api))
    path = made.headers["Location"]
    treasury.post(f"{path}stores/", json={"code": "S-1", "name": "Safe", "kind": "drawer"})

    closed = change(treasury, made.json, is_active=False)

    assert (closed.status_code, closed.json["is_active"]) == (200, False)
    assert [each["is_active"] for each in treasury.get(f"{path}stores/").json["items"]] == [False]
    late = treasury.post(f"{path}stores/", json={"code": "S-2", "name": "x", "kind": "drawer"})
    assert (late.status_code, late.json["code"]) == (422, "store.invalid")
    # The place is free again.
    assert treasury.post("/api/funds/", json=new_fund(api, code="NEXT")).status_code == 201


# Stores


def test_a_store_is_named_and_closed_when_empty(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    path = f"/api/funds/{fund_of(treasury)['id']}/stores/"
    made = treasury.post(path, json={"code": "SAFE", "name": "Safe", "kind": "drawer"})
    one = made.headers["Location"]

    renamed = treasury.patch(one, json={"name": "Big safe"}, etag=made.headers["ETag"])
    closed = treasury.patch(one, json={"is_active": False}, etag=renamed.headers["ETag"])

    assert (renamed.json["name"], closed.json["is_active"]) == ("Big safe", False)
    assert treasury.patch(one, json={"name": "x"}, etag=made.headers["ETag"]).status_code == 412
    full = f"{path}{treasury.get(path).json['items'][-1]['id']}/"
    refused = treasury.patch(
        full, json={"is_active": False}, etag=treasury.get(full).headers["ETag"]
    )
    assert (refused.status_code, refused.json["code"]) == (409, "store.not_empty")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "provider_share"}, 422, "store.invalid"),
        ({"kind": "provider_share", "provider_account_id": UNKNOWN}, 422, "store.invalid"),
        ({"provider_account_id": UNKNOWN}, 422, "store.invalid"),
        ({"code": "WESTLANDS-DRAWER"}, 409, "store.exists"),
        ({"kind": "purse"}, 422, "request.invalid"),
        ({"balance": "5.00"}, 422, "request.invalid"),
        ({"kind": "provider_share", "provider_account_id": "its own"}, 409, "store.exists"),
        ({"kind": "provider_share", "provider_account_id": "theirs"}, 422, "store.invalid"),
    ],
)
def test_a_store_that_cant_be_is_refused(
    api: ApiClient, body: dict[str, Any], status: int, code: str
) -> None:
    treasury = api.as_("treasury")
    for word, name, store in (
        ("its own", "treasury", "WESTLANDS-MPESA"),
        ("theirs", "other_company", "KISUMU-MPESA"),
    ):
        if body.get("provider_account_id") == word:
            with api.as_(name).scope(), db.transaction() as session:
                account = books.store(session, store).provider_account_id
            body = body | {"provider_account_id": str(account)}
    sent = {"code": "SAFE", "name": "Safe", "kind": "drawer", **body}

    refused = treasury.post(f"/api/funds/{fund_of(treasury)['id']}/stores/", json=sent)

    assert (refused.status_code, refused.json["code"]) == (status, code)


def test_a_store_is_one_of_its_fund(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    store = treasury.get(f"/api/funds/{fund_of(treasury)['id']}/stores/").json["items"][0]

    refused = treasury.get(f"/api/funds/{fund_of(treasury, 'HQ')['id']}/stores/{store['id']}/")

    assert (refused.status_code, refused.json["code"]) == (404, "store.not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"day": "2199-01-01"}, "fund.invalid_opening_balance"),
        ({"store_id": UNKNOWN}, "store.not_found"),
        ({"amount": "0.00"}, "request.invalid"),
        ({}, "ledger.already_posted"),
    ],
)
def test_an_opening_balance_that_cant_be_is_refused(
    api: ApiClient, body: dict[str, str], code: str
) -> None:
    treasury = api.as_("treasury")
    fund = fund_of(treasury)
    store = treasury.get(f"/api/funds/{fund['id']}/stores/").json["items"][0]
    sent = {"store_id": store["id"], "amount": "5.00", "day": "2026-01-01", "reason": "x", **body}

    refused = treasury.post(f"/api/funds/{fund['id']}/opening_balance/", json=sent)

    assert refused.json["code"] == code
