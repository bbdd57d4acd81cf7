"""A demo company with at least one object behind every route, all of them at Westlands."""

import io
from typing import Any
from uuid import UUID

from werkzeug.test import TestResponse

from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import Callback, CallbackPurpose
from pettycash.runtime import db
from pettycash.services.imprest import replenishments
from pettycash.services.operations import cases
from pettycash.services.reports import runs
from tests import books
from tests.api.client import ApiClient, Caller, in_thirty_days
from tests.factories import payments as payment_factory
from tests.factories import requisitions_http
from tests.factories.judging import evidence
from tests.factories.pictures import picture


def populate(api: ApiClient) -> dict[str, str]:
    """Fill the seeded organisation through the API and the services.

    Returns list → id of what is to be taken from it, where not any will do.
    """
    _made(_api_key(api.as_("admin")))
    _made(_role_proposal(api))
    _made(
        api.as_("operator").post("/api/reconciliation/runs/", json={"business_date": "2026-01-15"})
    )
    for persona, path in (("operator", "pause"), ("operator", "resume"), ("treasury", "resume")):
        body = {"scope": "company"} | ({"reason": "A drill"} if path == "pause" else {})
        _made(api.as_(persona).post(f"/api/{path}/", json=body))
    with api.as_("treasury").scope(), db.transaction() as session:
        executing = payment_factory.executing(session)
        attempt = payment_factory.attempt_of(session, executing)
        session.add(
            Callback(
                company_id=attempt.company_id,
                attempt_id=attempt.id,
                purpose=CallbackPurpose.RESULT,
                dedup_key=b"x" * 32,
                body=b"{}",
            )
        )
        case = cases.open_case(
            session,
            kind=CaseKind.IN_DOUBT,
            object_type="payment",
            object_id=executing.id,
            summary="Nobody knows.",
            evidence={},
            severity=Severity.WARNING,
        )
        evidence(session, case.id)
    with api.as_("treasury").scope(), db.transaction() as session:
        paid = books.pay(session, "12000.00")
        replenishments.consider(session, fund_id=books.fund(session).id, now=session.info["now"])
    _made(
        api.as_("treasury").post(
            f"/api/payments/{paid.id}/record_variance/",
            json={"kind": "overpaid", "adjusted_amount": "12050.00", "reason": "Statement"},
        )
    )
    body = {"operation": "cash_book.get", "format": "csv"}
    for name in ("auditor", "custodian"):
        made = api.as_(name).post("/api/report-runs/", json=body)
        _made(made)
        with api.as_(name).scope(), db.transaction() as session:
            runs.keep(session, run_id=UUID(made.json["id"]), out=io.BytesIO(b"a file"), rows=1)
    requisition = requisitions_http.submitted(api.as_("staff"))
    _made(_upload(api.as_("staff"), requisition["id"]))
    return {"/api/requisitions/": requisition["id"], "/api/cases/": str(case.id)}


def _made(answer: TestResponse) -> None:
    assert answer.status_code in (200, 201, 202), answer.json


def _upload(caller: Caller, requisition_id: str) -> TestResponse:
    return caller.request(
        "POST",
        f"/api/requisitions/{requisition_id}/attachments/",
        data={"file": (io.BytesIO(picture()), "receipt.png")},
        content_type="multipart/form-data",
    )


def _api_key(caller: Caller) -> TestResponse:
    body = {"name": "expense app", "scopes": ["read"], "expires_at": in_thirty_days()}
    return caller.post("/api/api-keys/", json=body)


def _role_proposal(api: ApiClient) -> TestResponse:
    body: dict[str, Any] = {
        "user_id": str(api.as_("staff_2").user_id),
        "role": "fpa",
        "reason": "Helps out",
    }
    return api.as_("admin").post("/api/role-assignments/", json=body)
