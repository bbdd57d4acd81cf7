"""Ending a case about money over HTTP: a file, two people, and no amount."""

import io
from uuid import UUID

from werkzeug.test import TestResponse

from pettycash.models.operations import Case
from pettycash.runtime import db
from tests.api.client import ApiClient, Caller
from tests.factories import judging, rails
from tests.factories.people import company_id
from tests.services.payments.test_case_resolutions import in_doubt


def doubted() -> str:
    """A case about a payment of which the rail says nothing."""
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        _, case = in_doubt(session)
        return str(case.id)


def upload(caller: Caller, case_id: str, content: bytes | None = None) -> TestResponse:
    return caller.request(
        "POST",
        f"/api/cases/{case_id}/evidence/",
        data={"file": (io.BytesIO(content or judging.statement()), "statement.pdf")},
        content_type="multipart/form-data",
    )


def test_evidence_is_uploaded_and_read_by_who_judges(api: ApiClient) -> None:
    case_id, content = doubted(), judging.statement()
    where = f"/api/cases/{case_id}/evidence/"

    kept = upload(api.as_("fpa"), case_id, content)

    assert kept.status_code == 201, kept.json
    assert (kept.json["case_id"], kept.json["requisition_id"]) == (case_id, None)
    assert kept.headers["Location"].endswith(f"{where}{kept.json['id']}/")
    for reader in ("cfo", "auditor", "treasury"):
        assert [each["id"] for each in api.as_(reader).get(where).json["items"]] == [
            kept.json["id"]
        ]
        assert api.as_(reader).get(f"{where}{kept.json['id']}/").data == content
    for other in ("staff", "operator", "custodian"):
        assert api.as_(other).get(where).status_code == 403
        assert upload(api.as_(other), case_id).status_code == 403
    assert upload(api.as_("other_company"), case_id).status_code == 404
    assert api.as_("other_company").get(f"{where}{kept.json['id']}/").status_code == 404
    assert upload(api.as_("fpa"), case_id, b"no such type").json["code"] == (
        "attachment.type_not_allowed"
    )


def test_two_people_end_it_with_what_they_saw(api: ApiClient) -> None:
    case_id = doubted()
    where = f"/api/cases/{case_id}/resolve/"
    evidence_id = upload(api.as_("fpa"), case_id).json["id"]
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        now = session.info["now"]
    body = {
        "action": "propose",
        "ending": "paid",
        "provider_reference": "RKT7654321",
        "occurred_at": now.isoformat(),
        "evidence_id": evidence_id,
        "note": "statement, line 14",
    }

    for missing, field in (
        ("evidence_id", "evidence_id"),
        ("occurred_at", "occurred_at"),
        ("provider_reference", "provider_reference"),
    ):
        without = {name: value for name, value in body.items() if name != missing}
        refused = api.as_("cfo").post(where, json=without)
        assert (refused.status_code, refused.json["code"]) == (422, "case.evidence_required")
        assert list(refused.json["errors"]) == [field]
    with_amount = api.as_("cfo").post(where, json=body | {"amount": "5000000.00"})
    assert with_amount.status_code == 422
    assert list(with_amount.json["errors"]) == ["amount"]
    maker = api.as_("treasury").post(where, json=body)
    assert (maker.status_code, maker.json["code"]) == (403, "release.not_separate")
    assert api.as_("operator").post(where, json=body).status_code == 403
    early = api.as_("cfo").post(
        where,
        json={"action": "propose", "ending": "not_paid", "evidence_id": evidence_id, "note": "no"},
    )
    assert (early.status_code, early.json["code"]) == (409, "case.too_early")

    proposed = api.as_("cfo").post(where, json=body)
    assert proposed.status_code == 200, proposed.json
    confirm = {"action": "confirm", "version": proposed.json["version"]}
    recorder = api.as_("fpa").post(where, json=confirm)
    assert (recorder.status_code, recorder.json["code"]) == (403, "release.not_separate")
    assert api.as_("ceo").post(where, json=confirm).json["status"] == "resolved"


def test_a_case_shows_what_the_rail_last_said(api: ApiClient) -> None:
    case_id = doubted()

    rail = api.as_("cfo").get(f"/api/cases/{case_id}/").json["rail"]

    assert rail["attempt_number"] == 1
    assert (rail["answer"], rail["code"]) == ("in_doubt", rails.LOST.code)
    assert early_enough(rail["not_paid_from"], case_id)
    listed = api.as_("cfo").get("/api/cases/").json["items"]
    assert "rail" not in listed[0]


def early_enough(instant: str, case_id: str) -> bool:
    """Whether it is a day after the attempt had been sent."""
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        case = session.get_one(Case, UUID(case_id))
        sent_at: str = case.evidence["first_sent_at"]
    return instant[:10] > sent_at[:10]
