"""Making, reading and changing payments over HTTP."""

from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import select

from pettycash.models.imprest import Store
from pettycash.runtime import db
from tests.api.client import ApiClient
from tests.api.payments.shared.steps import path, refused
from tests.factories import payments as making
from tests.factories.people import company_id


def test_nobody_says_what_the_rail_has_to_say(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]
    requisition = officer.get(path(payment_id)).get_json()["requisition_id"]

    for field in ("gateway_status", "gateway_reference", "otp_required", "status"):
        word = {field: "success"}
        executed = officer.post(path(payment_id, "execute"), json=word, key=True)
        changed = officer.patch(path(payment_id), json=word, etag=tag)
        made = officer.post(
            "/api/payments/", json={"requisition_id": requisition, **word}, key=True
        )

        for answer in (executed, changed, made):
            assert answer.status_code == 422
            assert field in answer.get_json()["errors"]


def test_amounts_are_strings_of_plain_digits(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]

    for amount in (1500.0, 1500, "-1.00", "0", "1.001", "1e3", "NaN", "Infinity", "9" * 17, ""):
        answer = officer.patch(path(payment_id), json={"amount": amount}, etag=tag)

        assert "amount" in refused(answer, 422, "request.invalid")["errors"]


def test_shillings_of_the_rail_are_whole(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]

    answer = officer.patch(path(payment_id), json={"amount": "1400.50"}, etag=tag)

    assert "amount" in refused(answer, 422, "payment.rail_refuses")["errors"]


def test_a_change_names_the_version_it_changes(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]
    change = {"amount": "1400.00"}

    missing = officer.patch(path(payment_id), json=change)
    first = officer.patch(path(payment_id), json=change, etag=tag)
    stale = officer.patch(path(payment_id), json={"amount": "1300.00"}, etag=tag)

    refused(missing, 428, "request.if_match_required")
    assert (first.status_code, first.get_json()["amount"]) == (200, "1400.00")
    refused(stale, 412, "request.stale")


def test_payments_are_never_replaced_or_deleted(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    for method in ("PUT", "DELETE"):
        assert api.as_("treasury").request(method, path(payment_id)).status_code == 405


def test_another_company_sees_nothing(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    stranger = api.as_("other_treasury")

    for verb in ("", "executions", "transactions"):
        refused(stranger.get(path(payment_id, verb)), 404, "payment.not_found")
    for verb in ("send_otp", "cancel", "unlock_release", "requery"):
        refused(stranger.post(path(payment_id, verb)), 404, "payment.not_found")
    refused(stranger.post(path(payment_id, "execute"), key=True), 404, "payment.not_found")


def test_another_branch_sees_nothing(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    for who in ("branch_manager_mombasa", "staff_mombasa", "staff_2"):
        refused(api.as_(who).get(path(payment_id)), 404, "payment.not_found")
    assert api.as_("staff").get(path(payment_id)).status_code == 200


def test_operators_see_masked_data(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    seen = api.as_("operator").get(path(payment_id)).get_json()

    assert seen["destination"] == "*********678"
    assert seen["phone_number"] == "*********678"
    assert seen["payee_name"] == "S***"


def test_the_remainder_of_another_companys_requisition(
    api: ApiClient, make: Callable[..., str]
) -> None:
    payment_id = make(making.pending)
    requisition = api.as_("treasury").get(path(payment_id)).get_json()["requisition_id"]
    body = {"requisition_id": requisition}

    stranger = api.as_("other_treasury").post("/api/payments/", json=body, key=True)
    nothing = api.as_("treasury").post("/api/payments/", json=body, key=True)

    refused(stranger, 404, "requisition.not_found")
    refused(nothing, 422, "payment.nothing_left")


def test_a_new_payment_for_what_was_cancelled(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    maker = api.as_("treasury")
    cancelled = maker.post(path(payment_id, "cancel"))
    requisition = cancelled.get_json()["requisition_id"]

    made = maker.post(
        "/api/payments/",
        json={"requisition_id": requisition, "amount": "500.00", "external_reference": "A-1"},
        key=True,
    )

    assert (made.status_code, made.get_json()["ordinal"]) == (201, 2)
    assert made.headers["Location"] == path(made.get_json()["id"])
    for body, status, code in (
        ({"amount": "1001.00"}, 422, "payment.exceeds_approved"),
        (
            {"amount": "100.00", "external_reference": "A-1"},
            409,
            "payment.external_reference_taken",
        ),
        ({"amount": "100.00", "currency": "UGX"}, 422, "payment.wrong_currency"),
        ({"amount": "100.00", "method": "card"}, 422, "payment.method_reserved"),
        ({"amount": "100.00", "store_id": str(uuid4())}, 422, "payment.store_not_found"),
        ({"amount": "100.00", "destination": "12"}, 422, "requisition.invalid_destination"),
    ):
        answer = maker.post(
            "/api/payments/", json={"requisition_id": requisition, **body}, key=True
        )
        refused(answer, status, code)


def test_a_store_of_another_company_does_not_exist(
    api: ApiClient, make: Callable[..., str]
) -> None:
    payment_id = make(making.pending)
    with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
        strange = session.execute(select(Store.id).where(Store.code == "KISUMU-MPESA")).scalar_one()
    maker = api.as_("treasury")
    tag = maker.get(path(payment_id)).headers["ETag"]

    answer = maker.patch(path(payment_id), json={"store_id": str(strange)}, etag=tag)

    refused(answer, 422, "payment.store_not_found")


def test_lists_are_filtered(api: ApiClient, make: Callable[..., str]) -> None:
    first, second = make(making.pending), make(making.executing, "2500.00")
    officer = api.as_("treasury")

    def ids(query: str) -> list[str]:
        answer = officer.get(f"/api/payments/?{query}")
        assert answer.status_code == 200, answer.get_json()
        return [each["id"] for each in answer.get_json()["items"]]

    seen = officer.get(path(first)).get_json()
    of_first = f"requisition_id={seen['requisition_id']}"
    assert ids("")[:2] == [second, first]
    assert ids("status=EXECUTING")[0] == second
    assert first not in ids("status=executing")
    assert ids(f"q={seen['number'].lower()}") == [first]
    assert ids(f"reconciled=true&{of_first}") == []
    assert ids(f"reconciled=false&method=mpesa&{of_first}") == [first]
    assert ids("from=2000-01-01&to=2000-01-02") == []
    assert ids(f"fund_id={uuid4()}") == []
    assert ids("limit=1") == [second]


def test_a_change_leaves_somebody_who_can_release_it(
    api: ApiClient, make: Callable[..., str]
) -> None:
    """One officer made it, a second changes it, the third raised it, and the cfo approved it."""
    payment_id = make(making.pending, "60000.00", by="treasury_3", payee_name="Builder")
    officer = api.as_("treasury_2")
    tag = officer.get(path(payment_id)).headers["ETag"]

    changed = officer.patch(path(payment_id), json={"amount": "59000.00"}, etag=tag)

    refused(changed, 422, "payment.nobody_left_to_release")
    own = api.as_("treasury").patch(path(payment_id), json={"amount": "59000.00"}, etag=tag)
    assert own.status_code == 200, own.get_json()
    rest = {"requisition_id": own.get_json()["requisition_id"]}
    made = officer.post("/api/payments/", json=rest, key=True)
    refused(made, 422, "payment.nobody_left_to_release")


def test_a_number_stands_where_an_id_does(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    treasury = api.as_("treasury")
    number = treasury.get(f"/api/payments/{payment_id}/").json["number"]

    assert treasury.get(f"/api/payments/{number.lower()}/").json["id"] == payment_id
    found = api.as_("other_treasury").get(f"/api/payments/{number}/")
    assert (found.status_code, found.json["code"]) == (404, "payment.not_found")
    nobodys = treasury.get("/api/payments/PAY-2026-999999999/")
    assert (nobodys.status_code, nobodys.json["code"]) == (404, "payment.not_found")


def test_releases_and_exchanges_of_the_company_stand_in_lists(api: ApiClient) -> None:
    for what in ("executions", "gateway-exchanges"):
        assert api.as_("cfo").get(f"/api/payments/{what}/").status_code == 200
        assert api.as_("staff").get(f"/api/payments/{what}/").status_code == 403
    everywhere = api.as_("auditor").get("/api/funds/stores/?q=drawer").json["items"]
    kept = api.as_("custodian").get("/api/funds/stores/?q=drawer").json["items"]
    assert {each["id"] for each in kept} < {each["id"] for each in everywhere}


def test_a_search_finds_nothing_of_another_company(
    api: ApiClient, make: Callable[..., str]
) -> None:
    number = api.as_("treasury").get(path(make(making.pending))).json["number"]
    searched = f"/api/payments/?q={number}"

    assert [each["number"] for each in api.as_("cfo").get(searched).json["items"]] == [number]
    assert api.as_("other_company").get(searched).json["items"] == []
    theirs = api.as_("other_company").get("/api/users/?q=staff&limit=200").json["items"]
    ours = api.as_("cfo").get("/api/users/?q=staff&limit=200").json["items"]
    assert ours
    assert {each["id"] for each in ours}.isdisjoint(each["id"] for each in theirs)


def test_offers_and_work_say_who_may_release(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    def offered(who: str) -> dict[str, tuple[bool, str | None]]:
        items = api.as_(who).get(path(payment_id, "offers")).json["items"]
        return {each["operation"]: (each["is_open"], each["code"]) for each in items}

    def waits(who: str) -> list[str]:
        kinds = api.as_(who).get("/api/work/").json["items"]
        return [each["id"] for kind in kinds for each in kind["items"]]

    assert offered(making.EXECUTOR)["payments.send_otp"] == (True, None)
    assert offered(making.MAKER)["payments.send_otp"] == (False, "release.not_separate")
    assert offered(making.MAKER)["payments.cancel"] == (True, None)
    assert "payments.send_otp" not in offered("auditor")
    refused(api.as_("other_treasury").get(path(payment_id, "offers")), 404, "payment.not_found")
    assert payment_id in waits(making.EXECUTOR)
    assert payment_id not in waits(making.MAKER)
    assert payment_id not in waits("other_treasury")
