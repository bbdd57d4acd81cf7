"""API4:2023 Unrestricted resource consumption: rates per person, with Redis and without it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pettycash.app import create_app
from pettycash.stack.ports import LOOPBACK
from tests.api.client import ApiClient, Caller
from tests.patience import budget
from tests.servers import Database, compose_for


@pytest.fixture
def limited(live: Database) -> Iterator[ApiClient]:
    """An application with small allowances, of its own: a limiter remembers."""
    yield from _limited(live, live.redis_url)


@pytest.fixture
def without_redis(live: Database) -> Iterator[ApiClient]:
    """The same where Redis can't be reached."""
    yield from _limited(live, "redis://127.0.0.1:1/0")


def _limited(live: Database, redis_url: str) -> Iterator[ApiClient]:
    application: Flask = create_app(
        replace(
            live.settings,
            reads_per_person_per_minute=5,
            writes_per_person_per_minute=3,
            redis_url=redis_url,
        )
    )
    yield ApiClient(application)
    compose_for(live)


def reads(caller: Caller, times: int) -> list[int]:
    return [caller.get("/api/auth/me/").status_code for _ in range(times)]


def writes(caller: Caller, times: int) -> list[int]:
    return [caller.post("/api/auth/mfa/enrol/").status_code for _ in range(times)]


def begin_of_a_minute() -> None:
    """Windows are minutes of the clock: a test must not straddle two."""
    while time.time() % 60 > 55:
        time.sleep(0.5)


def test_reads_and_writes_have_allowances_of_their_own(limited: ApiClient) -> None:
    begin_of_a_minute()
    staff = limited.as_("staff")

    assert writes(staff, 4) == [409, 409, 409, 429]
    assert reads(staff, 6) == [200] * 5 + [429]


def test_a_refusal_names_itself_and_says_when_to_come_back(limited: ApiClient) -> None:
    begin_of_a_minute()
    staff = limited.as_("staff")
    reads(staff, 5)
    writes(staff, 3)
    read, write = staff.get("/api/auth/sessions/"), staff.post("/api/auth/mfa/enrol/")

    assert (read.json["code"], write.json["code"]) == (
        "request.too_many_reads",
        "request.too_many_writes",
    )
    assert 1 <= int(read.headers["Retry-After"]) <= 60
    assert read.content_type == "application/problem+json"


def test_the_allowance_is_the_person_s_whatever_session_and_address(limited: ApiClient) -> None:
    begin_of_a_minute()
    reads(limited.as_("staff"), 5)

    assert reads(limited.sign_in("staff"), 1) == [429]
    elsewhere = limited.as_("staff").get(
        "/api/auth/me/", environ_base={"REMOTE_ADDR": "203.0.113.4"}
    )
    assert elsewhere.status_code == 429
    assert reads(limited.as_("treasury"), 1) == [200]


def test_who_is_not_signed_in_is_counted_by_address(limited: ApiClient) -> None:
    begin_of_a_minute()
    statuses = [limited.anonymous.get("/healthz").status_code for _ in range(6)]
    elsewhere = limited.anonymous.get("/healthz", environ_base={"REMOTE_ADDR": "203.0.113.4"})

    assert statuses == [200] * 5 + [429]
    assert elsewhere.status_code == 200


def test_without_redis_memory_counts(without_redis: ApiClient) -> None:
    begin_of_a_minute()
    staff = without_redis.as_("staff")
    begun = time.monotonic()

    assert reads(staff, 6) == [200] * 5 + [429]
    assert time.monotonic() - begun < budget(5)


def test_requests_that_meet_a_dying_redis_together_are_all_answered(live: Database) -> None:
    together = threading.Barrier(4)
    with socket.create_server((LOOPBACK, 0), backlog=64) as silent:
        url = f"redis://{LOOPBACK}:{silent.getsockname()[1]}/0"
        for limited in _limited(live, url):
            client = limited.anonymous.client.application.test_client

            def ask(_number: int, client: Callable[[], FlaskClient] = client) -> int:
                together.wait(10)
                return client().get("/healthz").status_code

            with ThreadPoolExecutor(4) as pool:
                statuses = list(pool.map(ask, range(4)))

    assert statuses == [200] * 4


def test_signing_in_fails_closed_without_redis(
    without_redis: ApiClient, tune: Callable[..., None]
) -> None:
    begin_of_a_minute()
    tune(login_per_address_per_minute=2)
    statuses = [
        without_redis.anonymous.post(
            "/api/auth/login/", json={"username": f"nobody{number}", "password": "x"}
        ).status_code
        for number in range(3)
    ]

    assert statuses == [401, 401, 429]


def test_a_machine_client_has_one_allowance_for_all_it_acts_for(limited: ApiClient) -> None:
    begin_of_a_minute()
    client = limited.with_key("read")
    statuses = [
        client.get("/api/requisitions/", headers={"On-Behalf-Of": name}).status_code
        for name in ("staff", "staff_2", "treasury", "staff", "staff_2", "cfo")
    ]

    assert statuses == [200] * 5 + [429]
    assert reads(limited.as_("staff"), 1) == [200]
