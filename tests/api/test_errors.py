"""Every answer that is no success is a problem document with a stable code."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pettycash.runtime import db, errors
from pettycash.web import problems
from tests.api.client import ApiClient
from tests.api.probe import Probe
from tests.servers import Database, Servers

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}

STATUSES = {
    "BadRequest": 400,
    "NotAuthenticated": 401,
    "NotAllowed": 403,
    "NotFound": 404,
    "RequestTimeout": 408,
    "Conflict": 409,
    "StalePrecondition": 412,
    "PayloadTooLarge": 413,
    "RuleViolation": 422,
    "PreconditionRequired": 428,
    "TooManyRequests": 429,
    "Unavailable": 503,
}


def raising(error: Exception) -> FlaskClient:
    """A client of an application whose one view raises."""
    application = Flask("raising")
    problems.register(application)

    @application.get("/")
    def view() -> str:
        raise error

    return application.test_client()


@pytest.mark.parametrize("kind", errors.KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_a_problem_with_its_status(kind: type[errors.PettycashError]) -> None:
    answer = raising(kind("Why it is so.")).get("/")

    assert answer.status_code == STATUSES[kind.__name__]
    assert answer.content_type == "application/problem+json"
    body = answer.get_json(force=True)
    assert set(body) == MEMBERS
    assert body["status"] == answer.status_code
    assert body["code"] == kind.code
    assert body["type"] == f"urn:pettycash:{kind.code}"
    assert body["detail"] == "Why it is so."
    assert "." in body["code"]


def test_a_kind_without_a_status_would_be_noticed() -> None:
    assert set(problems.STATUS_BY_KIND) == set(errors.KINDS)


def test_fields_are_named_with_their_messages() -> None:
    error = errors.RuleViolation(errors={"amount": ["Too much."]})
    body = raising(error).get("/").get_json(force=True)

    assert body["errors"] == {"amount": ["Too much."]}


def test_too_many_requests_say_when_to_come_back() -> None:
    answer = raising(errors.TooManyRequests(retry_after_seconds=17)).get("/")

    assert answer.headers["Retry-After"] == "17"


def test_a_401_says_how_to_authenticate() -> None:
    assert "Bearer" in raising(errors.NotAuthenticated()).get("/").headers["WWW-Authenticate"]


def test_the_unforeseen_says_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    answer = raising(ZeroDivisionError("password=hunter2")).get("/")

    assert answer.status_code == 500
    assert answer.get_json(force=True)["code"] == "internal.error"
    assert b"hunter2" not in answer.data
    assert b"Traceback" not in answer.data
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 503])
def test_what_werkzeug_raises_is_a_problem_too(status: int) -> None:
    application = Flask("aborting")
    problems.register(application)

    @application.get("/")
    def view() -> None:
        abort(status)

    answer = application.test_client().get("/")

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.get_json(force=True)["code"] == problems.CODE_BY_STATUS[status]


def test_unknown_paths_and_methods_are_problems(common: ApiClient) -> None:
    missing = common.anonymous.get("/api/nothing/")
    wrong = common.anonymous.delete("/healthz")

    assert (missing.status_code, missing.json["code"]) == (404, "request.not_found")
    assert (wrong.status_code, wrong.json["code"]) == (405, "request.method_not_allowed")
    assert set(wrong.headers["Allow"].split(", ")) >= {"GET"}


def test_the_request_id_is_in_body_and_header(common: ApiClient) -> None:
    own = common.anonymous.get("/api/nothing/", headers={"X-Request-Id": "my-own-id-1"})
    other = common.anonymous.get("/api/nothing/", headers={"X-Request-Id": "x\ty <script>"})

    assert own.json["request_id"] == own.headers["X-Request-Id"] == "my-own-id-1"
    assert other.json["request_id"] == other.headers["X-Request-Id"] != "x\ty <script>"


def sqlstate(state: str) -> Callable[..., None]:
    def fail(session: Any) -> None:
        session.execute(
            text(f"DO $$ BEGIN RAISE EXCEPTION 'a sentence' USING ERRCODE = '{state}'; END $$")
        )

    return fail


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("25006", 503, "platform.read_only"),
        ("53100", 503, "platform.read_only"),
        ("53300", 503, "platform.database_unavailable"),
        ("57P01", 503, "platform.database_unavailable"),
        ("08006", 503, "platform.database_unavailable"),
        ("57014", 503, "platform.too_slow"),
        ("40P01", 409, "request.raced"),
        ("55P03", 409, "request.raced"),
        ("23505", 409, "request.duplicate"),
        ("23503", 422, "request.unknown_reference"),
        ("23514", 422, "request.value_out_of_range"),
        ("PC001", 422, "ledger.insufficient_funds"),
        ("PC002", 409, "request.immutable"),
        ("PC003", 422, "ledger.unbalanced"),
        ("PC004", 403, "segregation.refused"),
        ("PC005", 422, "payment.more_than_approved"),
        ("PC007", 409, "request.illegal_transition"),
        ("PC008", 422, "ledger.wrong_account"),
        ("PC010", 422, "ledger.period_closed"),
        ("PC011", 409, "ledger.hold_not_open"),
        ("42P01", 500, "internal.error"),
        ("42501", 500, "internal.error"),
    ],
)
def test_what_the_database_refuses_has_a_meaning(
    common: ApiClient, probe: Probe, state: str, status: int, code: str
) -> None:
    probe.before = sqlstate(state)
    answer = common.as_("staff").post("/api/probe/", json={"code": "A"}, key=True)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert "SELECT" not in answer.text
    assert "RAISE" not in answer.text


def test_a_trigger_speaks_in_its_own_words(common: ApiClient, probe: Probe) -> None:
    probe.before = sqlstate("PC004")
    answer = common.as_("staff").post("/api/probe/", json={"code": "A"}, key=True)

    assert answer.json["detail"] == "A sentence."


def test_a_connection_that_breaks_is_no_bug() -> None:
    broken = OperationalError("SELECT 1", {}, Exception("could not connect to server"))
    assert raising(broken).get("/").status_code == 503
    assert raising(PoolTimeout("no connection")).get("/").status_code == 503


def test_a_read_only_database_answers_503_and_keeps_reading(
    api: ApiClient, probe: Probe, servers: Servers, live: Database
) -> None:
    caller = api.as_("staff")
    with servers.superuser() as cursor:
        cursor.execute(f"ALTER DATABASE {live.name} SET default_transaction_read_only = on")
    db.dispose()
    try:
        write = caller.post("/api/probe/", json={"code": "A"}, key=True)
        read = caller.get("/api/probe/")
    finally:
        with servers.superuser() as cursor:
            cursor.execute(f"ALTER DATABASE {live.name} RESET default_transaction_read_only")
        db.dispose()

    assert (write.status_code, write.json["code"]) == (503, "platform.read_only")
    assert write.headers["Retry-After"] == "1"
    assert read.status_code == 200
    ready = api.anonymous.get("/readyz").json["checks"]
    assert ready[0] == {"name": "database", "ok": False, "detail": "takes no writes"}


def test_a_database_that_is_gone_answers_503(
    api: ApiClient, servers: Servers, live: Database
) -> None:
    caller = api.as_("staff")
    with servers.superuser() as cursor:
        cursor.execute(f"ALTER DATABASE {live.name} ALLOW_CONNECTIONS false")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (live.name,),
        )
    try:
        answer = caller.get("/api/auth/me/")
    finally:
        with servers.superuser() as cursor:
            cursor.execute(f"ALTER DATABASE {live.name} ALLOW_CONNECTIONS true")

    assert (answer.status_code, answer.json["code"]) == (503, "platform.database_unavailable")
