"""Replenishments over HTTP: their whole life, each of its people, and every refusal."""

from typing import Any

import pyotp
import pytest

from pettycash.lab.seeds.personas import fixed_credentials
from pettycash.runtime import db
from pettycash.services.imprest import replenishments
from tests import books
from tests.api.client import ApiClient, Caller

KEY = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b01"
UNKNOWN = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"


def totp(name: str) -> str:
    return pyotp.TOTP(fixed_credentials(name).totp_secret).now()


@pytest.fixture
def low(api: ApiClient) -> dict[str, Any]:
    """A replenishment that Westlands raised by itself."""
    caller = api.as_("treasury")
    with caller.scope(), db.transaction() as session:
        books.pay(session, "12000.00")
        replenishments.consider(session, fund_id=books.fund(session).id, now=session.info["now"])
    [found] = caller.get("/api/replenishments/").json["items"]
    return dict(found)


def act(caller: Caller, found: dict[str, Any], verb: str, **body: Any) -> Any:
    key = verb in ("fund", "receive")
    return caller.post(f"/api/replenishments/{found['id']}/{verb}/", json=body or None, key=key)


def fund(api: ApiClient, low: dict[str, Any], name: str = "treasury") -> Any:
    assert act(api.as_("group_finance_manager"), low, "approve").status_code == 200
    releaser = api.as_(name)
    assert act(releaser, low, "send_otp").status_code == 202
    assert act(releaser, low, "verify_otp", code=totp(name)).status_code == 200
    return act(releaser, low, "fund", bank_reference="FT26325XYZ")


def test_its_whole_life(api: ApiClient, low: dict[str, Any]) -> None:
    assert (low["status"], low["auto_triggered"], low["requested_by_id"]) == ("pending", True, None)
    assert low["imprest_identity"]["vouchers_not_replenished"] == "12000.00"

    funded = fund(api, low)
    assert funded.status_code == 200, funded.json
    assert (funded.json["status"], funded.json["bank_reference"]) == ("funded", "FT26325XYZ")
    assert funded.json["approved_amount"] == "12000.00"
    path = f"/api/funds/{low['fund_id']}/"
    assert api.as_("custodian").get(path).json["current_balance"] == "38000.00"

    received = act(api.as_("custodian"), low, "receive", amount="12000.00")
    assert received.status_code == 200, received.json
    assert (received.json["status"], received.json["received_amount"]) == ("received", "12000.00")
    assert received.json["completed_at"] == received.json["received_at"] is not None
    balance = api.as_("custodian").get(f"{path}balance/").json
    assert balance["balance"] == "50000.00"
    assert balance["imprest_identity"]["difference"] == "0.00"


def test_each_verb_has_its_roles(api: ApiClient, low: dict[str, Any]) -> None:
    for verb, names in (
        ("approve", ("treasury", "custodian", "branch_manager", "auditor")),
        ("reject", ("treasury", "custodian", "operator")),
        ("cancel", ("branch_manager", "auditor", "staff")),
        ("send_otp", ("custodian", "group_finance_manager")),
        ("verify_otp", ("custodian", "group_finance_manager")),
        ("fund", ("custodian", "group_finance_manager")),
        ("receive", ("treasury", "cfo", "branch_manager")),
    ):
        for name in names:
            refused = act(api.as_(name), low, verb)
            assert refused.status_code == 403, (verb, name)
    found = api.as_("treasury").get(f"/api/replenishments/{low['id']}/").json
    assert found == found | low  # a detail says more than a list


def test_another_scope_finds_nothing(api: ApiClient, low: dict[str, Any]) -> None:
    for name in ("other_company", "custodian_mombasa", "branch_manager_mombasa"):
        caller = api.as_(name)
        found = caller.get(f"/api/replenishments/{low['id']}/")
        assert (found.status_code, found.json["code"]) == (404, "replenishment.not_found")
        assert caller.get("/api/replenishments/").json["items"] == []
    for name, verb, body in (
        ("other_company", "approve", {}),
        ("other_company", "send_otp", {}),
        ("other_custodian", "receive", {"amount": "1.00"}),
        ("custodian_mombasa", "receive", {"amount": "1.00"}),
        ("custodian_mombasa", "cancel", {"reason": "x"}),
    ):
        assert act(api.as_(name), low, verb, **body).status_code == 404


def test_steps_are_not_skipped(api: ApiClient, low: dict[str, Any]) -> None:
    for name, verb, body in (
        ("treasury", "send_otp", {}),
        ("treasury", "verify_otp", {"code": "123456"}),
        ("treasury", "fund", {"bank_reference": "FT1"}),
        ("custodian", "receive", {"amount": "1.00"}),
    ):
        refused = act(api.as_(name), low, verb, **body)
        assert (refused.status_code, refused.json["code"]) == (409, "replenishment.illegal_state")
    act(api.as_("group_finance_manager"), low, "approve")
    again = act(api.as_("cfo"), low, "approve")
    assert (again.status_code, again.json["code"]) == (409, "decision.already_decided")


def test_a_wrong_code_is_counted_although_it_is_refused(
    api: ApiClient, low: dict[str, Any]
) -> None:
    act(api.as_("group_finance_manager"), low, "approve")
    treasury = api.as_("treasury")
    act(treasury, low, "send_otp")

    codes = [act(treasury, low, "verify_otp", code="000000") for _ in range(4)]

    assert [each.json["code"] for each in codes] == ["release.wrong_code"] * 4
    with treasury.scope(), db.transaction() as session:
        assert (
            session.connection()
            .exec_driver_sql(
                "SELECT tries FROM release_challenges WHERE replenishment_id IS NOT NULL"
            )
            .scalar_one()
            == 4
        )
    refused = act(treasury, low, "fund", bank_reference="FT1")
    assert (refused.status_code, refused.json["code"]) == (422, "release.code_required")


def test_a_right_code_whose_answer_was_lost_is_answered_again_under_its_key(
    api: ApiClient, low: dict[str, Any]
) -> None:
    act(api.as_("group_finance_manager"), low, "approve")
    treasury, path = api.as_("treasury"), f"/api/replenishments/{low['id']}/verify_otp/"
    act(treasury, low, "send_otp")
    given = {"code": totp("treasury")}

    first = treasury.post(path, json=given, key=KEY)
    again = treasury.post(path, json=given, key=KEY)

    assert (first.status_code, again.status_code) == (200, 200), (first.json, again.json)
    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"
    # It is the same grant: whoever else sends it, and who sends it without the key, has nothing.
    other = api.as_("treasury_2").post(path, json=given, key=KEY)
    assert (other.status_code, other.json["code"]) == (403, "release.not_executor")
    keyless = treasury.post(path, json=given)
    assert (keyless.status_code, keyless.json["code"]) == (422, "release.code_used")
    assert act(treasury, low, "fund", bank_reference="FT1").status_code == 200
    assert released(api) == (1, 1, 1)


def test_a_wrong_code_is_counted_once_under_its_key(api: ApiClient, low: dict[str, Any]) -> None:
    act(api.as_("group_finance_manager"), low, "approve")
    treasury, path = api.as_("treasury"), f"/api/replenishments/{low['id']}/verify_otp/"
    act(treasury, low, "send_otp")

    answers = [treasury.post(path, json={"code": "000000"}, key=KEY) for _ in range(2)]
    assert [each.json["code"] for each in answers] == ["release.wrong_code"] * 2
    assert released(api) == (0, 0, 1)

    # A key stands for one request: neither another code nor a new key comes by without a try.
    right = treasury.post(path, json={"code": totp("treasury")}, key=KEY)
    assert (right.status_code, right.json["code"]) == (422, "idempotency.key_reused")
    assert released(api) == (0, 0, 1)
    anew = treasury.post(path, json={"code": "000000"}, key=True)
    assert (anew.status_code, anew.json["code"]) == (422, "release.wrong_code")
    assert released(api) == (0, 0, 2)


def released(api: ApiClient) -> tuple[int, int, int]:
    """How many grants to fund it there are and are spent, and how many tries were counted."""
    with api.as_("treasury").scope(), db.transaction() as session:
        found = session.connection().exec_driver_sql(
            "SELECT count(g.id), count(g.spent_at), sum(c.tries)"
            " FROM release_challenges c LEFT JOIN release_grants g ON g.challenge_id = c.id"
            " WHERE c.replenishment_id IS NOT NULL"
        )
        grants, spent, tries = found.one()
    return grants, spent, int(tries)


@pytest.mark.parametrize("code", ["12345", "1234567", "12345x", "", None, 123456])
def test_a_code_is_six_digits(api: ApiClient, low: dict[str, Any], code: Any) -> None:
    act(api.as_("group_finance_manager"), low, "approve")
    act(api.as_("treasury"), low, "send_otp")

    assert act(api.as_("treasury"), low, "verify_otp", code=code).status_code == 422


@pytest.mark.parametrize(
    ("verb", "name", "body"),
    [
        ("fund", "treasury", {"bank_reference": "FT1"}),
        ("receive", "custodian", {"amount": "1.00"}),
    ],
)
def test_money_moves_only_under_a_key(
    api: ApiClient, low: dict[str, Any], verb: str, name: str, body: dict[str, str]
) -> None:
    refused = api.as_(name).post(f"/api/replenishments/{low['id']}/{verb}/", json=body)

    assert (refused.status_code, refused.json["code"]) == (400, "idempotency.key_missing")


def test_a_receipt_sent_twice_counts_once(api: ApiClient, low: dict[str, Any]) -> None:
    fund(api, low)
    path, key = f"/api/replenishments/{low['id']}/receive/", "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01"
    custodian = api.as_("custodian")

    first = custodian.post(path, json={"amount": "5000.00"}, key=key)
    second = custodian.post(path, json={"amount": "5000.00"}, key=key)
    other = custodian.post(path, json={"amount": "6000.00"}, key=key)

    assert first.json == second.json
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json["code"]) == (422, "idempotency.key_reused")
    assert first.json["received_amount"] == "5000.00"


@pytest.mark.parametrize("amount", ["12000.01", "-1.00", "1e3", "1.001", 5, "NaN", "0.00"])
def test_an_amount_that_cant_be_is_not_received(
    api: ApiClient, low: dict[str, Any], amount: Any
) -> None:
    fund(api, low)

    refused = act(api.as_("custodian"), low, "receive", amount=amount)

    assert refused.status_code == 422
    found = api.as_("custodian").get(f"/api/replenishments/{low['id']}/").json
    assert (found["status"], found["received_amount"]) == ("funded", None)


def test_a_short_delivery_is_a_case(api: ApiClient, low: dict[str, Any]) -> None:
    fund(api, low)

    act(api.as_("custodian"), low, "receive", amount="11000.00")

    [case] = api.as_("treasury").get("/api/cases/?kind=short_delivery").json["items"]
    assert case["object_id"] == low["id"]
    assert case["evidence"]["missing"] == "1000.00"
    balance = api.as_("treasury").get(f"/api/funds/{low['fund_id']}/balance/").json
    assert balance["imprest_identity"]["in_transit"] == "1000.00"


def test_while_paused_nothing_is_released(api: ApiClient, low: dict[str, Any]) -> None:
    act(api.as_("group_finance_manager"), low, "approve")
    paused = api.as_("operator").post("/api/pause/", json={"scope": "company", "reason": "Audit"})
    assert paused.status_code == 201, paused.json

    refused = act(api.as_("treasury"), low, "send_otp")

    assert (refused.status_code, refused.json["code"]) == (503, "platform.paused")


def test_it_is_raised_by_hand_under_a_key(api: ApiClient) -> None:
    custodian = api.as_("custodian")
    with custodian.scope(), db.transaction() as session:
        books.pay(session, "100.00")
        path = f"/api/funds/{books.fund(session).id}/replenish/"

    keyless = custodian.post(path, json={"reason": "x"})
    assert (keyless.status_code, keyless.json["code"]) == (400, "idempotency.key_missing")
    made = custodian.post(path, json={"reason": "A busy week"}, key=True)
    assert made.status_code == 201, made.json
    assert (made.json["requested_amount"], made.json["auto_triggered"]) == ("100.00", False)
    assert made.json["requested_by_id"] == str(custodian.user_id)
    found = custodian.get(made.headers["Location"]).json
    assert found == found | made.json
    assert found["people"] == {str(custodian.user_id): "Custodian, Westlands"}
    # Asking credits nothing.
    assert custodian.get(path.replace("replenish", "balance")).json["balance"] == "49900.00"
    again = custodian.post(path, json={"reason": "Again"}, key=True)
    assert (again.status_code, again.json["code"]) == (409, "replenishment.already_open")


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("custodian", {"reason": "x"}, 422, "replenishment.nothing_to_replenish"),
        ("custodian", {}, 422, "request.invalid"),
        ("custodian", {"reason": "x", "amount": 5}, 422, "request.invalid"),
        ("custodian", {"reason": "x", "amount": "0.00"}, 422, "request.invalid"),
        ("custodian", {"reason": "x", "store_id": UNKNOWN}, 404, "store.not_found"),
        ("custodian", {"reason": "x", "status": "approved"}, 422, "request.invalid"),
        ("custodian_mombasa", {"reason": "x"}, 404, "fund.not_found"),
        ("other_company", {"reason": "x"}, 404, "fund.not_found"),
        ("staff", {"reason": "x"}, 403, "auth.forbidden"),
        ("auditor", {"reason": "x"}, 403, "auth.forbidden"),
    ],
)
def test_a_request_that_cant_be_is_refused(
    api: ApiClient, name: str, body: dict[str, Any], status: int, code: str
) -> None:
    with api.as_("treasury").scope(), db.transaction() as session:
        path = f"/api/funds/{books.fund(session).id}/replenish/"

    refused = api.as_(name).post(path, json=body, key=True)

    assert (refused.status_code, refused.json["code"]) == (status, code)


def test_they_are_listed_by_fund_status_and_day(api: ApiClient, low: dict[str, Any]) -> None:
    treasury = api.as_("treasury")
    path = "/api/replenishments/"

    def ids(query: str) -> list[str]:
        return [each["id"] for each in treasury.get(f"{path}?{query}").json["items"]]

    assert ids(f"fund_id={low['fund_id']}") == [low["id"]]
    assert ids(f"fund_id={UNKNOWN}") == []
    assert ids("status=Pending") == [low["id"]]
    assert ids("auto_triggered=false") == []
    assert ids("from=2099-01-01") == []
    assert treasury.get(f"{path}?status=lost").status_code == 422
    fund(api, low)
    act(api.as_("custodian"), low, "receive", amount="12000.00")
    # `completed` is another word for received.
    assert ids("status=completed") == ids("status=received") == [low["id"]]
