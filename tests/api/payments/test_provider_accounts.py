"""Provider accounts and the ends of cases over HTTP."""

from datetime import timedelta
from typing import Any

from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import db
from pettycash.services.operations import cases
from tests.api.client import ApiClient
from tests.factories import payments as making
from tests.factories.people import company_id

NEW: dict[str, Any] = {
    "code": "MPESA-2",
    "name": "Second",
    "method": "mpesa",
    "currency": "KES",
    "environment": "sandbox",
    "base_url": "https://sandbox.safaricom.co.ke",
    "shortcode": "600001",
    "credentials": {"consumer_key": "k", "consumer_secret": "nowhere-else"},
}
PATH = "/api/provider-accounts/"


def test_an_account_from_opening_to_switching_off(api: ApiClient) -> None:
    admin = api.as_("admin")

    made = admin.post(PATH, json=NEW, key=True)
    assert made.status_code == 201, made.get_json()
    where = made.headers["Location"]
    off = admin.patch(where, json={"is_active": False}, etag=made.headers["ETag"])
    stale = admin.patch(where, json={"is_active": True}, etag=made.headers["ETag"])
    listed = api.as_("treasury").get(f"{PATH}?is_active=false")

    assert "credentials" not in made.get_json()
    assert (off.status_code, off.get_json()["is_active"]) == (200, False)
    assert stale.status_code == 412
    assert [each["code"] for each in listed.get_json()["items"]] == ["MPESA-2"]
    for answer in (made, off, listed):
        assert "nowhere-else" not in answer.get_data(as_text=True)


def test_what_is_refused(api: ApiClient) -> None:
    admin = api.as_("admin")
    for change, field in (
        ({"method": "card"}, "method"),
        ({"base_url": "https://evil.example"}, "base_url"),
        ({"credentials": {}}, "credentials"),
        ({"credentials": {"a": 1}}, "credentials.a.value"),
        ({"options": {"callback_sources": "0.0.0.0/0"}}, "options"),
        ({"options": {"callback_sources": None}}, "options"),
        ({"options": {"callback_sources": [7]}}, "options"),
        ({"options": {"callback_sources": ["196.201.214.200", "safaricom"]}}, "options"),
        ({"options": {"callback_sources": ["196.201.214.200/24"]}}, "options"),
        ({"options": {"callback_sources": ["196.201.214.0/24, 196.201.213.0/24"]}}, "options"),
        ({"options": {"callback_sources": [""]}}, "options"),
        ({"options": {"callback_sources": ["192.0.2.1"] * 101}}, "options"),
        ({"options": {"callback_source": ["192.0.2.0/24"]}}, "options"),
        ({"surprise": 1}, "surprise"),
    ):
        answer = admin.post(PATH, json={**NEW, **change})
        assert answer.status_code == 422, change
        assert field in answer.get_json()["errors"], answer.get_json()
    assert api.as_("treasury").post(PATH, json=NEW).status_code == 403
    old = api.sign_in("admin", ago=timedelta(minutes=6))
    assert old.post(PATH, json=NEW).get_json()["code"] == "auth.step_up_required"
    mine = admin.get(PATH).get_json()["items"][0]["id"]
    stranger = api.as_("other_company").get(f"{PATH}{mine}/")
    assert (stranger.status_code, stranger.get_json()["code"]) == (
        404,
        "provider_account.not_found",
    )


def test_a_case_is_proposed_confirmed_or_declined(api: ApiClient) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        payment = making.pending(session)
        case = cases.open_case(
            session,
            kind=CaseKind.LATE_FACT,
            object_type="payment",
            object_id=payment.id,
            summary="test",
            evidence={},
            severity=Severity.WARNING,
        )
    where = f"/api/cases/{case.id}/resolve/"
    cfo, other = api.as_("cfo"), api.as_("group_finance_manager")
    noted = {"action": "propose", "ending": "noted", "note": "looked into"}

    for body, field in (
        ({"action": "propose", "note": "x"}, "ending"),
        ({"action": "propose", "ending": "noted"}, "note"),
        ({"action": "confirm", "ending": "paid"}, "ending"),
        ({"action": "decline"}, "note"),
        ({"action": "decline", "note": "x"}, "version"),
        ({"action": "confirm"}, "version"),
        (noted | {"version": 1}, "version"),
        ({"action": "end"}, "action"),
    ):
        wrong = cfo.post(where, json=body)
        assert wrong.status_code == 422
        assert field in wrong.get_json()["errors"], wrong.get_json()
    proposed = cfo.post(where, json=noted)
    confirm = {"action": "confirm", "version": proposed.get_json()["version"]}
    own = cfo.post(where, json=confirm)
    declined = other.post(where, json=confirm | {"action": "decline", "note": "no"})
    anew = cfo.post(where, json=noted)
    stale = other.post(where, json=confirm)
    confirm["version"] = anew.get_json()["version"]
    confirmed = other.post(where, json=confirm)
    again = other.post(where, json=confirm)

    assert (proposed.status_code, proposed.get_json()["status"]) == (200, "proposed")
    assert (own.status_code, own.get_json()["code"]) == (403, "decision.own")
    assert declined.get_json()["status"] == "open"
    assert (stale.status_code, stale.get_json()["code"]) == (409, "decision.stale")
    assert confirmed.get_json()["status"] == "resolved"
    assert (again.status_code, again.get_json()["code"]) == (409, "decision.already_decided")
    assert api.as_("operator").post(where, json=noted).status_code == 403
    assert api.as_("other_company").post(where, json=noted).status_code == 404
