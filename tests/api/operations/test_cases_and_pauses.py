"""Cases and pauses over HTTP."""

from typing import Any
from uuid import UUID

from pettycash.models.base import new_id
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime.db import transaction
from pettycash.services.operations import cases
from tests.api.client import ApiClient, Caller


def _case(caller: Caller, **more: Any) -> UUID:
    facts: dict[str, Any] = {
        "kind": CaseKind.UNMATCHED_CALLBACK,
        "object_type": "callback",
        "object_id": new_id(),
        "summary": "Nobody sent money to 254712345678.",
        "evidence": {"payee": "+254712345678", "ids": ["254712345678"]},
        "severity": Severity.WARNING,
    }
    with caller.scope(), transaction() as session:
        return cases.open_case(session, **(facts | more)).id


def test_cases_are_listed_by_what_matters(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    first = str(_case(treasury))
    second = str(_case(treasury, kind=CaseKind.IN_DOUBT, severity=Severity.SEVERE))

    def listed(query: str) -> list[str]:
        answer = treasury.get(f"/api/cases/{query}")
        assert answer.status_code == 200, answer.json
        return [each["id"] for each in answer.json["items"]]

    assert listed("") == [second, first]
    assert listed("?severity=SEVERE") == [second]
    assert listed("?kind=unmatched_callback") == [first]
    assert listed("?status=resolved") == []
    assert listed("?is_overdue=true") == []
    assert listed("?is_overdue=false") == [second, first]
    assert listed("?to=2001-01-01") == []
    assert treasury.get("/api/cases/?colour=blue").status_code == 422


def test_operators_see_masked_data(api: ApiClient) -> None:
    case_id = _case(api.as_("treasury"))

    whole = api.as_("treasury").get(f"/api/cases/{case_id}/").json
    masked = api.as_("operator").get(f"/api/cases/{case_id}/").json

    assert whole["evidence"]["payee"] == "+254712345678"
    assert "254712345678" not in str(masked)
    assert masked["evidence"]["payee"].endswith("678")
    listed = api.as_("operator").get("/api/cases/").json["items"]
    assert "254712345678" not in str(listed)


def test_a_case_is_assigned(api: ApiClient) -> None:
    operator = api.as_("operator")
    case_id = _case(operator)
    path = f"/api/cases/{case_id}/assign/"

    given = operator.post(path, json={"owner_id": str(api.as_("treasury").user_id)})
    assert given.status_code == 200, given.json
    assert given.json["owner_id"] == str(api.as_("treasury").user_id)
    refused = operator.post(path, json={"owner_id": str(api.as_("staff").user_id)})
    assert refused.status_code == 422
    assert refused.json["code"] == "case.not_an_owner"
    assert operator.post(path, json={}).status_code == 422
    assert operator.post(path, json={"owner_id": None}).json["owner_id"] is None
    assert api.as_("auditor").post(path, json={"owner_id": None}).status_code == 403


def test_cases_are_not_for_everybody(common: ApiClient) -> None:
    for who in ("staff", "branch_manager", "custodian", "admin"):
        assert common.as_(who).get("/api/cases/").status_code == 403


def test_cases_of_another_company_do_not_exist(api: ApiClient) -> None:
    case_id = _case(api.as_("treasury"))
    stranger = api.as_("other_company")

    assert stranger.get(f"/api/cases/{case_id}/").status_code == 404
    assigned = stranger.post(f"/api/cases/{case_id}/assign/", json={"owner_id": None})
    assert assigned.status_code == 404
    assert stranger.get("/api/cases/").json["items"] == []


def test_one_pauses_and_two_resume(api: ApiClient) -> None:
    operator, treasury = api.as_("operator"), api.as_("treasury")
    paused = operator.post("/api/pause/", json={"scope": "COMPANY", "reason": "Something smells."})
    assert paused.status_code == 201, paused.json
    again = treasury.post("/api/pause/", json={"scope": "company", "reason": "Me too."})
    assert again.status_code == 409
    assert again.json["code"] == "pause.already_paused"

    asked = operator.post("/api/resume/", json={"scope": "company"})
    assert asked.status_code == 200
    assert asked.json["resumed_at"] is None
    own = operator.post("/api/resume/", json={"scope": "company"})
    assert own.status_code == 403
    assert own.json["code"] == "decision.own"
    ended = treasury.post("/api/resume/", json={"scope": "company"})
    assert ended.json["resumed_at"] is not None
    assert ended.json["resumed_by_id"] == str(treasury.user_id)

    assert treasury.post("/api/resume/", json={"scope": "company"}).status_code == 404
    listed = api.as_("auditor").get("/api/pause/?is_open=false").json["items"]
    assert [each["id"] for each in listed] == [paused.json["id"]]
    assert api.as_("auditor").get("/api/pause/?is_open=true").json["items"] == []


def test_what_makes_no_pause_is_refused(common: ApiClient) -> None:
    operator = common.as_("operator")
    before = operator.get("/api/pause/").json["items"]
    for body, status in (
        ({"scope": "company"}, 422),
        ({"scope": "company", "reason": ""}, 422),
        ({"scope": "galaxy", "reason": "Why not."}, 422),
        ({"scope": "store", "reason": "Which?"}, 404),
        ({"scope": "store", "object_id": str(new_id()), "reason": "None such."}, 404),
        ({"scope": "company", "reason": "Why not.", "paused_by": "me"}, 422),
    ):
        assert operator.post("/api/pause/", json=body).status_code == status, body
    assert operator.get("/api/pause/").json["items"] == before


def test_others_do_not_pause(common: ApiClient) -> None:
    body = {"scope": "company", "reason": "Why not."}
    for who in ("staff", "group_finance_manager", "admin", "auditor"):
        assert common.as_(who).post("/api/pause/", json=body).status_code == 403
        assert common.as_(who).post("/api/resume/", json={"scope": "company"}).status_code == 403


def test_another_company_is_neither_paused_nor_resumed(api: ApiClient) -> None:
    body = {"scope": "company", "reason": "Ours."}
    api.as_("operator").post("/api/pause/", json=body)
    stranger = api.as_("other_company")

    assert stranger.get("/api/pause/").json["items"] == []
    assert stranger.post("/api/resume/", json={"scope": "company"}).status_code == 404
