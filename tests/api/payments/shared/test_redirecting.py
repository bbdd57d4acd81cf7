"""Redirects over HTTP: step-up, the last approver's inbox, who reads them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.api.client import ApiClient
from tests.api.payments.shared.steps import path, refused
from tests.factories import payments as making
from tests.factories.requisitions_http import PATH, approved

NEW_PHONE = {"destination": "0722000000", "reason": "The shop has a new number."}


def proposed(api: ApiClient, payment_id: str, **more: Any) -> dict[str, Any]:
    answer = api.as_("treasury").post(path(payment_id, "redirect"), json=NEW_PHONE | more)
    assert answer.status_code == 202, answer.get_json()
    assert answer.headers["Location"] == f"/api/changes/{answer.get_json()['id']}/"
    return dict(answer.get_json())


def decided(api: ApiClient, change: dict[str, Any], verb: str, by: str, **more: Any) -> Any:
    body = {"decision_digest": change["decision_digest"], "comment": "I called them."} | more
    return api.as_(by).post(f"/api/changes/{change['id']}/{verb}/", json=body)


@pytest.mark.parametrize(
    "change",
    [{"destination": "0722000000"}, {"method": "cash", "destination": "accomplice@example.com"}],
)
def test_a_patch_sends_no_payment_elsewhere(
    api: ApiClient, make: Callable[..., str], change: dict[str, str]
) -> None:
    payment_id = make(making.pending)
    maker = api.as_("treasury")
    tag = maker.get(path(payment_id)).headers["ETag"]

    answer = maker.patch(path(payment_id), json=change, etag=tag)

    assert "destination" in refused(answer, 422, "request.invalid")["errors"]
    assert maker.get(path(payment_id)).get_json()["destination"] == "254712345678"


def test_parts_go_where_it_was_approved(api: ApiClient) -> None:
    requisition = approved(api)
    read = api.as_("treasury").get(f"{PATH}{requisition['id']}/").get_json()
    body = {
        "decision_digest": read["decision_digest"],
        "parts": [{"amount": "1000.00"}, {"amount": "500.00", "destination": "0722000000"}],
    }

    answer = api.as_("treasury").post(f"{PATH}{requisition['id']}/validate/", json=body)

    refused(answer, 409, "redirect.needed")


def test_proposing_and_deciding_want_a_fresh_step_up(
    api: ApiClient, make: Callable[..., str]
) -> None:
    payment_id = make(making.pending)
    tired = api.sign_in("treasury", ago=timedelta(minutes=6))
    refused(tired.post(path(payment_id, "redirect"), json=NEW_PHONE), 403, "auth.step_up_required")
    change = proposed(api, payment_id)

    manager = api.sign_in("branch_manager", ago=timedelta(minutes=6))
    answer = manager.post(
        f"/api/changes/{change['id']}/confirm/",
        json={"decision_digest": change["decision_digest"]},
    )

    refused(answer, 403, "auth.step_up_required")


def test_the_last_approver_finds_it_in_their_inbox_and_agrees(
    api: ApiClient, make: Callable[..., str]
) -> None:
    payment_id = make(making.pending)
    change = proposed(api, payment_id)
    refused(api.as_("treasury_2").post(path(payment_id, "send_otp")), 409, "redirect.open")

    manager = api.as_("branch_manager")
    inbox = manager.get("/api/approvals/?limit=200").get_json()["items"]
    (item,) = [
        each for each in inbox if each["redirect"] and each["redirect"]["id"] == change["id"]
    ]
    assert item["step"] is None
    assert item["decision_digest"] == change["decision_digest"]
    assert item["redirect"]["payload"]["old"]["destination"] == "254712345678"
    assert item["redirect"]["payload"]["new"]["destination"] == "254722000000"
    refused(decided(api, change, "confirm", "regional_manager"), 403, "decision.not_a_decider")
    refused(
        decided(api, change, "confirm", "branch_manager", decision_digest=None),
        422,
        "decision.digest_required",
    )

    answer = decided(api, change, "confirm", "branch_manager")

    assert (answer.status_code, answer.get_json()["status"]) == (200, "effective")
    shown = api.as_("treasury_2").get(path(payment_id)).get_json()
    assert (shown["destination"], shown["open_redirect_id"]) == ("254722000000", None)
    assert shown["lines"] == ["KES 1500.00", '"Spring Water"', "M-Pesa 254722000000"]
    inbox = manager.get("/api/approvals/?limit=200").get_json()["items"]
    assert change["id"] not in [each["redirect"]["id"] for each in inbox if each["redirect"]]


def test_who_reads_a_redirect(api: ApiClient, make: Callable[..., str]) -> None:
    change = proposed(api, make(making.pending))
    where = f"/api/changes/{change['id']}/"

    for who in ("treasury", "treasury_2", "cfo", "auditor", "branch_manager"):
        assert api.as_(who).get(where).status_code == 200, who
    for who in ("staff", "admin", "operator", "branch_manager_mombasa", "other_company"):
        refused(api.as_(who).get(where), 404, "change.not_found")
        listed = api.as_(who).get("/api/changes/?kind=redirect").get_json()["items"]
        assert change["id"] not in [each["id"] for each in listed]


def test_before_validation_the_requester_proposes_too(api: ApiClient) -> None:
    requisition = approved(api)
    where = f"{PATH}{requisition['id']}/"

    answer = api.as_("staff").post(f"{where}redirect/", json=NEW_PHONE)

    assert answer.status_code == 202, answer.get_json()
    assert api.as_("staff").get(where).get_json()["open_redirect_id"] == answer.get_json()["id"]
    refused(
        api.as_("custodian").post(f"{where}redirect/", json=NEW_PHONE),
        404,
        "requisition.not_found",
    )
    declined = decided(api, answer.get_json(), "reject", "branch_manager")
    assert declined.get_json()["status"] == "rejected"
    assert api.as_("staff").get(where).get_json()["status"] == "pending_treasury_validation"


def test_a_redirect_says_where_to_and_why(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")

    for body in ({"reason": "So."}, {"destination": "0722000000"}, NEW_PHONE | {"amount": "1.00"}):
        refused(officer.post(path(payment_id, "redirect"), json=body), 422, "request.invalid")
    refused(
        officer.post(path(payment_id, "redirect"), json=NEW_PHONE | {"destination": "12"}),
        422,
        "requisition.invalid_destination",
    )
