"""What a request's line of the access log adds to what the server knows of it."""

import logging
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from werkzeug.test import create_environ

from pettycash import app
from pettycash.runtime import db, process
from pettycash.runtime.db import transaction
from tests.api.client import ApiClient
from tests.factories.requisitions_http import raised


def about(api: ApiClient, path: str, token: str | None = None) -> dict[str, Any]:
    """What the application leaves for the line."""
    headers = {"X-Request-Id": "request-one"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    environ = create_environ(path, headers=headers)
    list(api.application(environ, lambda *_: lambda _body: None))
    found: dict[str, Any] = environ[app.ABOUT]
    return found


def test_it_names_the_person_and_the_code_of_a_refusal(common: ApiClient) -> None:
    staff = common.as_("staff")
    who = {
        "request_id": "request-one",
        "source": "api",
        "company_id": str(staff.company_id),
        "person_id": str(staff.user_id),
    }
    assert about(common, "/api/auth/me/", staff.token) == who
    assert about(common, "/api/users/", staff.token) == {**who, "code": "auth.forbidden"}
    assert about(common, "/api/users/") == {
        "request_id": "request-one",
        "source": "api",
        "code": "auth.required",
    }


def test_a_line_names_the_api_key_under_which_somebody_acts() -> None:
    key, person = uuid4(), uuid4()
    with db.scope(actor_id=person, api_key_id=key, request_id="r"):
        assert process.context() == {
            "request_id": "r",
            "person_id": str(person),
            "api_key_id": str(key),
        }


def test_a_role_that_nobody_holds_is_a_line(
    api: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    staff = api.as_("staff")
    with staff.scope(), transaction() as session:
        session.execute(
            text(
                "UPDATE memberships SET is_active = false WHERE user_id IN (SELECT user_id"
                " FROM role_assignments WHERE role IN ('branch_manager', 'regional_manager',"
                " 'group_finance_manager', 'cfo', 'ceo')) OR user_id = (SELECT id FROM users"
                " WHERE username = 'escalation')"
            )
        )
    draft = raised(staff)
    caplog.set_level(logging.INFO)
    refused = staff.post(f"/api/requisitions/{draft['id']}/submit/")

    assert refused.json["code"] == "workflow.no_approver"
    (line,) = [each for each in caplog.records if each.message == "refused"]
    assert (line.levelname, getattr(line, "code", None)) == ("WARNING", "workflow.no_approver")
    assert "branch_manager" in str(getattr(line, "why", ""))
