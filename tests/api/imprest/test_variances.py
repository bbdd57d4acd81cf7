"""Variances over HTTP: recorded on a payment, decided by the cfo."""

from typing import Any

import pytest

from pettycash.runtime import db
from tests import books
from tests.api.client import ApiClient

UNKNOWN = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"


@pytest.fixture
def payment_id(api: ApiClient) -> str:
    """A payment of 5,000 that is in the books."""
    with api.as_("treasury").scope(), db.transaction() as session:
        return str(books.pay(session, "5000.00").id)


def record(api: ApiClient, payment_id: str, name: str = "treasury", **changes: Any) -> Any:
    body = {"kind": "overpaid", "adjusted_amount": "5050.00", "reason": "Statement", **changes}
    return api.as_(name).post(f"/api/payments/{payment_id}/record_variance/", json=body)


def test_a_fee_is_recorded_approved_and_posted(api: ApiClient, payment_id: str) -> None:
    made = record(api, payment_id, kind="fee", original_amount="5000.00")
    assert made.status_code == 201, made.json
    assert made.json["variance_amount"] == "50.00"
    path = made.headers["Location"]

    cfo = api.as_("cfo")
    approved = cfo.post(f"{path}approve/", json={"comment": "As on the statement"})

    assert approved.status_code == 200, approved.json
    assert (approved.json["status"], approved.json["variance_amount"]) == ("approved", "50.00")
    entry = cfo.get(f"/api/journal/{approved.json['entry_id']}/").json
    assert entry["rule"] == "variance_fee"
    assert {(each["account_code"], each["side"]) for each in entry["postings"]} == {
        ("5900", "debit"),
        ("1310.MPESA-DEMO", "credit"),
    }
    again = cfo.post(f"{path}approve/", json={})
    assert (again.status_code, again.json["code"]) == (409, "decision.already_decided")
    assert cfo.get(path).json["status"] == "approved"


def test_a_rejection_needs_a_reason_and_posts_nothing(api: ApiClient, payment_id: str) -> None:
    path = record(api, payment_id).headers["Location"]
    cfo = api.as_("cfo")
    before = cfo.get("/api/reports/trial-balance/").json["parts"]

    assert cfo.post(f"{path}reject/", json={}).status_code == 422
    rejected = cfo.post(f"{path}reject/", json={"reason": "Another payment's"})

    assert (rejected.json["status"], rejected.json["entry_id"]) == ("rejected", None)
    assert cfo.get("/api/reports/trial-balance/").json["parts"] == before


@pytest.mark.parametrize("name", ["treasury", "group_finance_manager_2", "ceo", "auditor"])
@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_only_the_cfo_decides(api: ApiClient, payment_id: str, name: str, verb: str) -> None:
    """The group finance manager may within materiality, which is nought here."""
    path = record(api, payment_id).headers["Location"]
    body = {"reason": "x"} if verb == "reject" else {}

    assert api.as_(name).post(f"{path}{verb}/", json=body).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"kind": "fee", "adjusted_amount": "4950.00"}, 422, "variance.wrong_direction"),
        ({"adjusted_amount": "5000.00"}, 422, "variance.invalid"),
        ({"original_amount": "4000.00"}, 422, "variance.invalid"),
        ({"kind": "other"}, 422, "variance.invalid"),
        ({"kind": "other", "counter_account_id": UNKNOWN}, 422, "variance.invalid"),
        ({"case_id": UNKNOWN}, 422, "variance.invalid"),
        ({"adjusted_amount": 5050}, 422, "request.invalid"),
        ({"adjusted_amount": "-5.00"}, 422, "request.invalid"),
        ({"reason": ""}, 422, "request.invalid"),
        ({"status": "approved"}, 422, "request.invalid"),
        ({"variance_amount": "50.00"}, 422, "request.invalid"),
        ({"kind": "theft"}, 422, "request.invalid"),
    ],
)
def test_what_cant_be_so_is_refused(
    api: ApiClient, payment_id: str, changes: dict[str, Any], status: int, code: str
) -> None:
    refused = record(api, payment_id, **changes)

    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert api.as_("cfo").get("/api/variances/").json["items"] == []


@pytest.mark.parametrize(
    ("name", "status"),
    [("other_company", 404), ("custodian_mombasa", 404), ("staff", 403), ("cfo", 403)],
)
def test_not_everybody_records(api: ApiClient, payment_id: str, name: str, status: int) -> None:
    assert record(api, payment_id, name).status_code == status


def test_what_is_not_paid_has_no_variance(api: ApiClient) -> None:
    with api.as_("treasury").scope(), db.transaction() as session:
        payment = books.payment(session, books.requisition(session))

    refused = record(api, str(payment.id))

    assert (refused.status_code, refused.json["code"]) == (409, "variance.payment_not_paid")


def test_they_are_listed_and_filtered(api: ApiClient, payment_id: str) -> None:
    made = record(api, payment_id).json
    twice = record(api, payment_id)
    assert (twice.status_code, twice.json["code"]) == (409, "variance.already_pending")
    cfo = api.as_("cfo")

    for query, count in (
        ("status=pending", 1),
        ("status=approved", 0),
        ("kind=overpaid", 1),
        (f"payment_id={payment_id}", 1),
        (f"payment_id={UNKNOWN}", 0),
        ("to=2020-01-01", 0),
    ):
        items = cfo.get(f"/api/variances/?{query}").json["items"]
        assert [each["id"] for each in items] == [made["id"]] * count
    other = api.as_("other_company")
    assert other.get("/api/variances/").json["items"] == []
    missing = other.get(f"/api/variances/{made['id']}/")
    assert (missing.status_code, missing.json["code"]) == (404, "variance.not_found")
