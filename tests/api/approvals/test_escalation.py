"""The escalation approver: a member without a role who decides what is escalated, and no more."""

import pytest
from sqlalchemy import text

from pettycash.models.base import new_id
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime.db import transaction
from pettycash.services.foundation import permissions
from pettycash.services.operations import cases
from tests.api.client import ApiClient, Caller
from tests.factories.requisitions_http import decide, of_amount, submitted

PATH = "/api/requisitions/"
FINANCE = ("group_finance_manager", "group_finance_manager_2")


@pytest.fixture
def escalation(api: ApiClient) -> Caller:
    return api.as_("escalation")


def without_cfo(api: ApiClient) -> None:
    with api.as_("admin").scope(), transaction() as session:
        session.execute(text("UPDATE role_assignments SET valid_until = now() WHERE role = 'cfo'"))


def test_they_hold_no_role_and_decide_the_step_that_nobody_else_can_take(
    api: ApiClient, escalation: Caller
) -> None:
    assert escalation.get("/api/auth/me/").json["roles"] == []
    without_cfo(api)
    escalated = submitted(api.as_("staff"), **of_amount("60000.00"))
    ordinary = submitted(api.as_("staff_2"))
    where = f"{PATH}{escalated['id']}/"
    for name in ("branch_manager", "regional_manager", *FINANCE):
        if name not in FINANCE or api.as_(name).get("/api/approvals/").json["items"]:
            answer = decide(api.as_(name), escalated, "approve")
            assert answer.status_code == 200, answer.json

    (waiting,) = escalation.get("/api/approvals/").json["items"]
    assert waiting["requisition"]["id"] == escalated["id"]
    assert [each["id"] for each in escalation.get(PATH).json["items"]] == [escalated["id"]]
    assert escalation.get(where).json["payee_name"] == escalated["payee_name"]
    unseen = escalation.get(f"{PATH}{ordinary['id']}/")
    assert (unseen.status_code, unseen.json["code"]) == (404, "requisition.not_found")
    approved = decide(escalation, escalated, "approve")
    assert (approved.status_code, approved.json["status"]) == (
        200,
        "pending_treasury_validation",
    )


def test_they_see_and_decide_the_cases_that_are_given_to_them(
    api: ApiClient, escalation: Caller
) -> None:
    with api.as_("treasury").scope(), transaction() as session:
        theirs, others = (
            cases.open_case(
                session,
                kind=CaseKind.MISMATCH,
                object_type="user",
                object_id=new_id(),
                summary="0712345678 is told to nobody else",
                evidence={},
                severity=Severity.WARNING,
            ).id
            for _ in range(2)
        )
    noted = {"action": "propose", "ending": "noted", "note": "looked into"}
    given = api.as_("cfo").post(
        f"/api/cases/{theirs}/assign/", json={"owner_id": str(escalation.user_id)}
    )
    assert given.status_code == 200, given.json

    assert [each["id"] for each in escalation.get("/api/cases/").json["items"]] == [str(theirs)]
    assert "0712345678" in escalation.get(f"/api/cases/{theirs}/").json["summary"]
    assert escalation.get(f"/api/cases/{others}/").status_code == 404
    refused = escalation.post(f"/api/cases/{others}/resolve/", json=noted)
    assert (refused.status_code, refused.json["code"]) == (404, "case.not_found")
    proposed = escalation.post(f"/api/cases/{theirs}/resolve/", json=noted)
    assert proposed.status_code == 200, proposed.json


def test_nobody_else_without_a_role_reaches_anything(api: ApiClient, escalation: Caller) -> None:
    """Once another one is named, they are a member without a role like any other."""
    with api.as_("admin").scope(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO company_settings (id, company_id, version, data) SELECT new_key(),"
                " company_id, version + 1, data || jsonb_build_object('escalation_approver_id',"
                " CAST(:id AS text)) FROM company_settings ORDER BY version DESC LIMIT 1"
            ),
            {"id": str(api.as_("ceo").user_id)},
        )

    for path in (PATH, "/api/approvals/", "/api/cases/", "/api/payments/"):
        assert escalation.get(path).json["code"] == "auth.forbidden"
    assert escalation.get("/api/auth/me/").status_code == 200


def test_they_reach_no_more_than_is_listed(api: ApiClient, escalation: Caller) -> None:
    assert set(permissions.PERMISSIONS) >= permissions.ESCALATED
    for path in ("/api/funds/", "/api/users/", "/api/ledger/", "/api/settings/", "/api/branches/"):
        assert escalation.get(path).status_code in (403, 404), path
    assert escalation.post(PATH, json={}, key=True).json["code"] == "auth.forbidden"
