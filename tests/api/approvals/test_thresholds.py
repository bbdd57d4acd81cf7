"""Thresholds over HTTP: drafted by one, published by the cfo, and what they leave open."""

from datetime import timedelta
from typing import Any

from tests.api.client import ApiClient

PATH = "/api/thresholds/"
DRAFT: dict[str, Any] = {
    "name": "Small",
    "currency": "TZS",
    "origin": "any",
    "tier": 1,
    "min_amount": "0",
    "max_amount": "100.00",
    "roles_sequence": ["Department_Head"],
    "reason": "New policy",
}


def test_a_tier_takes_two_people(api: ApiClient) -> None:
    manager, cfo = api.as_("group_finance_manager"), api.as_("cfo")

    drafted = manager.post(PATH, json=DRAFT)
    assert drafted.status_code == 202, drafted.json
    assert manager.get(PATH, query_string={"currency": "tzs"}).json["items"] == []
    where = f"{drafted.headers['Location']}confirm/"
    assert manager.post(where, json={}).json["code"] == "decision.own"
    assert api.as_("treasury").post(where, json={}).json["code"] == "decision.not_a_decider"
    assert cfo.post(where, json={}).status_code == 200

    (tier,) = manager.get(PATH, query_string={"currency": "tzs", "is_live": True}).json["items"]
    assert tier["roles_sequence"] == ["department_head"]
    assert (tier["min_amount"], tier["max_amount"]) == ("0.00", "100.00")
    assert tier["drafted_by_id"] == str(manager.user_id)
    assert tier["published_by_id"] == str(cfo.user_id)
    read = api.as_("staff").get(f"{PATH}{tier['id']}/")
    assert read.json == tier

    retired = manager.post(f"{PATH}{tier['id']}/retire/", json={"reason": "Gone"})
    assert retired.status_code == 202, retired.json
    assert cfo.post(f"{retired.headers['Location']}confirm/", json={}).status_code == 200
    assert manager.get(PATH, query_string={"currency": "tzs", "is_live": True}).json["items"] == []
    ended = api.as_("staff").get(f"{PATH}{tier['id']}/")
    assert ended.json["valid_until"] is not None
    assert ended.headers["ETag"] != read.headers["ETag"]
    again = manager.post(f"{PATH}{tier['id']}/retire/", json={"reason": "Gone"})
    assert (again.status_code, again.json["code"]) == (409, "threshold.ended")


def test_what_is_refused(api: ApiClient) -> None:
    manager = api.as_("group_finance_manager")
    for wrong, expected in (
        ({"roles_sequence": ["treasury"]}, "threshold.role_cannot_approve"),
        ({"roles_sequence": ["fp&a"]}, "threshold.role_cannot_approve"),
        ({"roles_sequence": ["emperor"]}, "threshold.invalid"),
        ({"roles_sequence": []}, "threshold.invalid"),
        ({"max_amount": "0.00"}, "request.invalid"),
        ({"min_amount": "100.00"}, "threshold.invalid"),
        ({"currency": "KES"}, "threshold.overlap"),
        ({"tier": 0}, "request.invalid"),
        ({"tier": "1"}, "request.invalid"),
        ({"min_amount": 0}, "request.invalid"),
        ({"reason": ""}, "request.invalid"),
        ({"version": 3}, "request.invalid"),
    ):
        answer = manager.post(PATH, json=DRAFT | wrong)
        assert (answer.status_code, answer.json["code"]) == (422, expected), wrong
    assert manager.get("/api/changes/").json["items"] == []
    refused = api.as_("treasury").post(PATH, json=DRAFT)
    assert (refused.status_code, refused.json["code"]) == (403, "auth.forbidden")


def test_policy_is_changed_by_who_has_signed_in_just_now(api: ApiClient) -> None:
    stale = api.sign_in("group_finance_manager", ago=timedelta(minutes=6))

    refused = stale.post(PATH, json=DRAFT)

    assert (refused.status_code, refused.json["code"]) == (403, "auth.step_up_required")


def test_publishing_what_overlaps_meanwhile_is_a_conflict(api: ApiClient) -> None:
    manager, cfo = api.as_("group_finance_manager"), api.as_("cfo")
    first, second = (manager.post(PATH, json=DRAFT).headers["Location"] for _ in range(2))
    assert cfo.post(f"{first}confirm/", json={}).status_code == 200

    late = cfo.post(f"{second}confirm/", json={})

    assert (late.status_code, late.json["code"]) == (409, "threshold.overlap_at_publication")
    assert cfo.get(second).json["status"] == "proposed"


def test_coverage_names_gaps(api: ApiClient) -> None:
    staff = api.as_("staff")
    complete = staff.get(f"{PATH}coverage/").json
    assert complete["is_complete"] is True

    manager, cfo = api.as_("group_finance_manager"), api.as_("cfo")
    drafted = manager.post(PATH, json=DRAFT | {"currency": "RWF", "max_amount": "100"})
    cfo.post(f"{drafted.headers['Location']}confirm/", json={})

    coverage = staff.get(f"{PATH}coverage/").json
    assert coverage["is_complete"] is False
    rows = [row for row in coverage["items"] if row["currency"] == "RWF"]
    assert [row["origin"] for row in rows] == ["branch", "hq", "field"]
    assert rows[0]["gaps"] == [{"min_amount": "100", "max_amount": None}]


def test_tiers_of_another_company_do_not_exist(api: ApiClient) -> None:
    (tier, *_) = api.as_("staff").get(PATH).json["items"]
    other = api.as_("other_company")

    for answer in (
        other.get(f"{PATH}{tier['id']}/"),
        other.post(f"{PATH}{tier['id']}/retire/", json={"reason": "x"}),
        other.post(PATH, json=DRAFT | {"replaces_id": tier["id"]}),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "threshold.not_found")
