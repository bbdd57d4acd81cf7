"""Idempotency-Key: one effect, however often and however closely a request is sent."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.operations import IdempotencyKey
from pettycash.runtime import db
from tests.api.client import ApiClient, in_thirty_days
from tests.api.probe import Gate, Probe, departments


def effects(api: ApiClient, code: str) -> int:
    with api.as_("staff").scope(), db.transaction() as session:
        return departments(session, code)


def stored(api: ApiClient) -> list[IdempotencyKey]:
    with api.as_("staff").scope(), db.transaction() as session:
        return list(session.execute(select(IdempotencyKey)).scalars())


def test_a_request_that_needs_a_key_is_refused_without_one(api: ApiClient, probe: Probe) -> None:
    answer = api.as_("staff").post("/api/probe/", json={"code": "A"})

    assert (answer.status_code, answer.json["code"]) == (400, "idempotency.key_missing")
    assert effects(api, "A") == 0


@pytest.mark.parametrize("key", ["1", "not-a-uuid", '"', "0192f7e26d1c7a449d5b2f6b9f1f0a01", "{}"])
def test_a_key_that_is_no_uuid_is_refused(api: ApiClient, probe: Probe, key: str) -> None:
    answer = api.as_("staff").post("/api/probe/", json={"code": "A"}, key=key)

    assert (answer.status_code, answer.json["code"]) == (400, "idempotency.key_malformed")


def test_a_replay_gives_the_first_answer_and_no_second_effect(api: ApiClient, probe: Probe) -> None:
    key = uuid4()
    first = api.as_("staff").post("/api/probe/", json={"code": "A", "name": "x"}, key=key)
    again = api.as_("staff").post("/api/probe", json={"name": "x", "code": "A"}, key=f'"{key}"')

    assert first.status_code == again.status_code == 201
    assert first.data == again.data
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content_type == first.content_type
    assert effects(api, "A") == 1


def test_upper_and_lower_case_are_one_key(api: ApiClient, probe: Probe) -> None:
    key = str(uuid4())
    api.as_("staff").post("/api/probe/", json={"code": "A"}, key=key.lower())
    again = api.as_("staff").post("/api/probe/", json={"code": "A"}, key=key.upper())

    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "other", [{"code": "B"}, {"code": "A", "name": "x"}, {"code": "A", "amount": "1.00"}]
)
def test_a_key_with_another_body_is_refused(
    api: ApiClient, probe: Probe, other: dict[str, str]
) -> None:
    key = uuid4()
    api.as_("staff").post("/api/probe/", json={"code": "A"}, key=key)
    answer = api.as_("staff").post("/api/probe/", json=other, key=key)

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency.key_reused")
    assert probe.runs == ["A"]


def test_keys_belong_to_a_person_and_a_route(api: ApiClient, probe: Probe) -> None:
    key = uuid4()
    api.as_("staff").post("/api/probe/", json={"code": "A1"}, key=key)
    other_person = api.as_("treasury").post("/api/probe/", json={"code": "A2"}, key=key)
    other_route = api.as_("staff").post("/api/probe/optional/", json={"code": "A3"}, key=key)
    other_company = api.as_("other_company").post("/api/probe/", json={"code": "A4"}, key=key)

    assert [each.status_code for each in (other_person, other_route, other_company)] == [201] * 3


def test_a_refused_request_leaves_its_key_free(api: ApiClient, probe: Probe) -> None:
    key = uuid4()
    refused = api.as_("staff").post("/api/probe/refused/", json={"code": "A"}, key=key)
    again = api.as_("staff").post("/api/probe/refused/", json={"code": "A"}, key=key)

    assert refused.status_code == again.status_code == 422
    assert "Idempotency-Replayed" not in again.headers
    assert probe.runs == ["A", "A"]
    assert effects(api, "A") == 0


def test_a_refusal_to_be_remembered_is_committed_and_replayed(api: ApiClient, probe: Probe) -> None:
    key = uuid4()
    refused = api.as_("staff").post("/api/probe/remembered/", json={"code": "A"}, key=key)
    again = api.as_("staff").post("/api/probe/remembered/", json={"code": "A"}, key=key)

    assert (refused.status_code, refused.json["code"]) == (422, "probe.refused")
    assert refused.content_type == "application/problem+json"
    assert again.data == refused.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert effects(api, "A") == 1


def test_twelve_threads_with_one_key_have_one_effect(api: ApiClient, probe: Probe) -> None:
    key = uuid4()
    token = api.as_("staff").token
    assert token is not None
    start = threading.Barrier(12)

    def send(_number: int) -> tuple[int, str]:
        caller = api.with_token(token)
        start.wait()
        answer = caller.post("/api/probe/", json={"code": "RACE"}, key=key)
        return answer.status_code, answer.json.get("code", "")

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, range(12)))

    assert effects(api, "RACE") == 1
    assert probe.runs == ["RACE"]
    assert {each for each in answers if each[0] != 201} <= {(409, "idempotency.key_at_work")}
    assert (201, "RACE") in answers


def test_while_the_first_request_runs_the_second_is_told_to_wait(
    api: ApiClient, probe: Probe
) -> None:
    key = uuid4()
    gate = probe.gates["SLOW"] = Gate()
    token = api.as_("staff").token
    assert token is not None
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            lambda: api.with_token(token).post("/api/probe/", json={"code": "SLOW"}, key=key)
        )
        try:
            assert gate.entered.wait(10)
            second = api.as_("staff").post("/api/probe/", json={"code": "SLOW"}, key=key)
        finally:
            gate.may_go_on.set()
        assert first.result().status_code == 201

    assert (second.status_code, second.json["code"]) == (409, "idempotency.key_at_work")
    assert effects(api, "SLOW") == 1


def test_an_answer_that_holds_a_secret_is_never_stored(api: ApiClient) -> None:
    key = uuid4()
    body = {"name": "app", "scopes": ["read"], "expires_at": in_thirty_days()}
    first = api.as_("admin").post("/api/api-keys/", json=body, key=key)
    again = api.as_("admin").post("/api/api-keys/", json=body, key=key)

    assert first.status_code == 201
    assert (again.status_code, again.json["code"]) == (409, "idempotency.answer_not_kept")
    assert [(row.status, row.body) for row in stored(api)] == [(201, None)]


def test_a_key_is_optional_where_it_is_not_required(api: ApiClient, probe: Probe) -> None:
    key = uuid4()
    assert api.as_("staff").post("/api/probe/optional/", json={"code": "A1"}).status_code == 201
    api.as_("staff").post("/api/probe/optional/", json={"code": "A2"}, key=key)
    again = api.as_("staff").post("/api/probe/optional/", json={"code": "A2"}, key=key)

    assert again.headers["Idempotency-Replayed"] == "true"


def test_an_answer_is_kept_for_thirty_days_and_no_longer(
    api: ApiClient, probe: Probe, tune: Callable[..., None]
) -> None:
    key = uuid4()
    api.as_("staff").post("/api/probe/", json={"code": "A1"}, key=key)
    day = 86_400
    tune(clock_shift_seconds=29 * day)
    kept = api.sign_in("staff").post("/api/probe/", json={"code": "A1"}, key=key)
    tune(clock_shift_seconds=31 * day)
    forgotten = api.sign_in("staff").post("/api/probe/", json={"code": "A2"}, key=key)

    assert kept.headers["Idempotency-Replayed"] == "true"
    assert forgotten.status_code == 201
    assert "Idempotency-Replayed" not in forgotten.headers


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("40001", id="serialization failure"),
        pytest.param("40P01", id="deadlock"),
        pytest.param("55P03", id="lock time-out"),
    ],
)
def test_serialization_failure_deadlock_and_lock_timeout_are_tried_again(
    api: ApiClient, probe: Probe, state: str
) -> None:
    """From a clean transaction."""
    tries = []

    def fail_twice(session: Session) -> None:
        tries.append(1)
        if len(tries) < 3:
            session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))

    probe.before = fail_twice
    answer = api.as_("staff").post("/api/probe/", json={"code": "A"}, key=True)

    assert answer.status_code == 201
    assert len(tries) == 3
    assert effects(api, "A") == 1


def test_a_deadlock_without_end_is_a_conflict(api: ApiClient, probe: Probe) -> None:
    def fail(session: Session) -> None:
        session.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))

    probe.before = fail
    answer = api.as_("staff").post("/api/probe/", json={"code": "A"}, key=True)

    assert (answer.status_code, answer.json["code"]) == (409, "request.raced")
    assert answer.headers["Retry-After"] == "1"


def test_the_same_file_is_the_same_request_whatever_its_boundary(
    api: ApiClient, probe: Probe
) -> None:
    def send(content: bytes, key: object) -> int:
        answer = api.as_("staff").request(
            "POST",
            "/api/probe/files/",
            key=str(key),
            data={"file": (io.BytesIO(content), "receipt.png")},
            content_type="multipart/form-data",
        )
        return answer.status_code

    key = uuid4()
    assert [send(b"one", key), send(b"one", key), send(b"two", key)] == [200, 200, 422]
    assert probe.runs == ["file"]


def test_nobody_sees_the_keys_of_another_company(api: ApiClient, probe: Probe) -> None:
    api.as_("staff").post("/api/probe/", json={"code": "A"}, key=True)
    with api.as_("other_company").scope(), db.transaction() as session:
        assert session.execute(select(IdempotencyKey)).first() is None


def test_no_one_may_delete_a_key_as_the_application(api: ApiClient, probe: Probe) -> None:
    api.as_("staff").post("/api/probe/", json={"code": "A"}, key=True)
    with (
        pytest.raises(DBAPIError, match="permission denied"),
        api.as_("staff").scope(),
        db.transaction() as session,
    ):
        session.execute(text("DELETE FROM idempotency_keys"))
