"""API2:2023 Broken authentication: throttles and lock-out."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from redis import Redis
from sqlalchemy import select

from pettycash.cli.lab.seed import fixed_credentials
from pettycash.models.access import SecurityEvent, Throttle, User
from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db
from pettycash.services.access.identity import throttles
from pettycash.services.operations import security_alerts
from tests.api.client import ApiClient
from tests.security.conftest import Login, code_of
from tests.security.people import MINUTE
from tests.servers import Database


def fail(
    login: Login, times: int, username: str = "staff", address: str = "198.51.100.1"
) -> list[int]:
    return [
        login(username, password="wrong", totp_code=None, address=address).status_code
        for _ in range(times)
    ]


def test_the_fifth_failure_begins_to_delay(login: Login) -> None:
    assert fail(login, 5) == [401] * 5
    delayed = login("staff", address="198.51.100.1")

    assert (delayed.status_code, delayed.json["code"]) == (429, "auth.throttled")
    assert int(delayed.headers["Retry-After"]) >= 1


def test_delays_grow(login: Login, tune: Callable[..., None]) -> None:
    waits = []
    shift = 0
    fail(login, 4)
    for _ in range(5):
        fail(login, 1)
        answer = login("staff", address="198.51.100.1")
        waits.append(int(answer.headers["Retry-After"]))
        shift += 40
        tune(clock_shift_seconds=shift)

    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


def test_ten_failures_lock_account_and_address_for_fifteen_minutes(
    login: Login, tune: Callable[..., None]
) -> None:
    for number in range(10):
        tune(clock_shift_seconds=number * 35)
        assert fail(login, 1) == [401]
    then = 9 * 35
    tune(clock_shift_seconds=then + 14 * MINUTE)
    locked = login("staff", address="198.51.100.1")
    elsewhere = login("staff", address="203.0.113.5")
    tune(clock_shift_seconds=then + 15 * MINUTE + 5)
    after = login("staff", address="198.51.100.1")

    assert (locked.status_code, locked.json["code"]) == (429, "auth.throttled")
    assert elsewhere.status_code == 200
    assert after.status_code == 200


def test_unknown_users_are_locked_in_the_same_way(login: Login) -> None:
    known = fail(login, 6, "staff", "198.51.100.1")
    unknown = fail(login, 6, "nobody", "198.51.100.2")

    assert known == unknown == [401] * 5 + [429]


def test_a_success_forgets_the_failures(login: Login) -> None:
    fail(login, 4)
    assert login("staff", address="198.51.100.1").status_code == 200
    assert fail(login, 4) == [401] * 4


def test_a_missing_code_forgives_nothing(login: Login) -> None:
    for _ in range(4):
        fail(login, 1)
        assert login("staff", totp_code=None, address="198.51.100.1").status_code == 401
    assert fail(login, 1) == [401]
    assert login("staff", address="198.51.100.1").status_code == 429


def failed(times: int, username: str = "staff", address: str | None = None) -> None:
    """So many failures in a row, days ago."""
    subjects = throttles.LoginSubjects.of(username, address)
    with db.system_transaction() as session:
        session.add(
            Throttle(
                subject=subjects.account if address is None else subjects.account_at_address,
                window_started_at=session.info["now"] - timedelta(days=3),
                attempts=0,
                consecutive_failures=times,
            )
        )


def test_a_hundred_failures_in_a_row_close_the_account(api: ApiClient, login: Login) -> None:
    failed(99)
    assert fail(login, 1) == [401]
    closed = login("staff", address="203.0.113.9")
    assert closed.status_code == 429

    with db.system_transaction() as session:
        user_id = session.execute(select(User.id).filter_by(username="staff")).scalar_one()
        throttles.reopen_account(session, username="staff")
        assert user_id
    assert login("staff", address="203.0.113.9").status_code == 200


def test_an_account_takes_ten_attempts_a_minute_from_one_address(
    login: Login, tune: Callable[..., None]
) -> None:
    tune(login_per_account_per_minute=3)

    assert fail(login, 4) == [401, 401, 401, 429]
    assert login("staff", address="203.0.113.5").status_code == 200


def test_nobody_keeps_a_named_person_out_from_elsewhere(
    login: Login, tune: Callable[..., None]
) -> None:
    """Wrong passwords from ever other addresses, as many as are not yet a hundred."""
    tune(login_per_account_per_minute=3, login_per_address_per_minute=600)
    for number in range(30):
        assert fail(login, 3, address=f"198.51.100.{number}") == [401] * 3

    assert login("staff", address="203.0.113.5").status_code == 200


def test_a_closed_account_opens_where_its_person_has_signed_in_before(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    assert login("staff", address="203.0.113.5").status_code == 200
    tune(clock_shift_seconds=MINUTE)  # each code counts once
    failed(100)
    assert fail(login, 3) == [429] * 3
    assert login("staff", address="198.51.100.9").status_code == 429

    assert login("staff", address="203.0.113.5").status_code == 200
    assert fail(login, 1) == [401]  # no longer in a row


def test_where_its_person_has_signed_in_before_a_hundred_failures_close_it_too(
    login: Login, tune: Callable[..., None]
) -> None:
    assert login("staff", address="203.0.113.5").status_code == 200
    tune(clock_shift_seconds=MINUTE)
    failed(100)
    failed(100, address="203.0.113.5")

    assert login("staff", address="203.0.113.5").status_code == 429


def test_people_are_told_once_when_an_account_is_closed(api: ApiClient, login: Login) -> None:
    failed(100)
    failed(100, "nobody")
    assert fail(login, 3) == fail(login, 3, "nobody", "198.51.100.2") == [429] * 3

    with api.as_("admin").scope(), db.transaction() as session:
        (event,) = session.execute(
            select(SecurityEvent).where(SecurityEvent.event == security_alerts.ACCOUNT_CLOSED)
        ).scalars()
        (key,) = session.execute(
            select(OutboxMessage.key).where(OutboxMessage.topic == security_alerts.TOPIC)
        ).scalars()
        alert = security_alerts.pending(session, event_id=key, now=session.info["now"])
    assert (event.id, event.user_id) == (key, api.as_("staff").user_id)
    assert {"staff@demo.example", "admin@demo.example", "operator@demo.example"} <= set(
        alert.addresses
    )
    assert "treasury@demo.example" not in alert.addresses
    assert "198.51.100" not in alert.subject + alert.text


SPELLINGS = (
    "{}",
    " {}",
    "{}\t",
    "\u2003{}\u00a0",
    "\u200b{}",
    "st\u00adaff",
    "\uff33\uff34\uff21\uff26\uff26",
    "\u017ftaff",
)


def test_all_spellings_of_a_name_are_one_account(login: Login, api: ApiClient) -> None:
    """110 wrong passwords went without a 429, as each spelling had a counter of its own."""
    statuses = [
        api.anonymous.post(
            "/api/auth/login/",
            json={"username": each.format("staff"), "password": "wrong"},
            environ_base={"REMOTE_ADDR": "198.51.100.1"},
        ).status_code
        for each in SPELLINGS
    ]

    assert statuses == [401] * 5 + [429] * 3
    assert login("staff", address="198.51.100.1").status_code == 429
    with db.system_transaction() as session:
        subjects = throttles.LoginSubjects.of("staff", "198.51.100.1")
        assert session.get_one(Throttle, subjects.account).consecutive_failures == 5
        assert len(session.execute(select(Throttle)).all()) == 4


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_whatever_the_spelling_the_person_gets_in(login: Login, api: ApiClient, spelt: str) -> None:
    right = fixed_credentials("staff")
    answer = api.anonymous.post(
        "/api/auth/login/",
        json={
            "username": spelt.format("staff"),
            "password": right.password,
            "totp_code": code_of(right.totp_secret),
        },
    )

    assert answer.status_code == 200, answer.json


def test_an_address_takes_twenty_attempts_a_minute(login: Login, tune: Callable[..., None]) -> None:
    tune(login_per_address_per_minute=20)
    statuses = [
        login(f"nobody{n}", password="wrong", totp_code=None).status_code for n in range(22)
    ]

    assert statuses == [401] * 20 + [429] * 2
    assert login("staff", address="203.0.113.1").status_code == 200


def test_attempts_at_the_same_moment_are_all_counted(api: ApiClient, login: Login) -> None:
    start = threading.Barrier(16)

    def attempt(_number: int) -> int:
        start.wait()
        return login("staff", password="wrong", totp_code=None, address="198.51.100.1").status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(attempt, range(16)))

    compared = statuses.count(401)
    assert compared + statuses.count(429) == 16
    subjects = throttles.LoginSubjects.of("staff", "198.51.100.1")
    with db.system_transaction() as session:
        counted = session.get_one(Throttle, subjects.account_at_address).attempts
    assert counted == compared


def test_locks_survive_the_loss_of_redis(live: Database, login: Login) -> None:
    fail(login, 5)
    with Redis.from_url(live.redis_url) as client:
        client.flushall()

    assert login("staff", address="198.51.100.1").status_code == 429


def test_an_ipv6_network_is_one_address(login: Login, tune: Callable[..., None]) -> None:
    tune(login_per_address_per_minute=2)
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::3", "2001:db8:1:3::1"]
    statuses = [
        login(f"nobody{n}", password="wrong", totp_code=None, address=address).status_code
        for n, address in enumerate(addresses)
    ]

    assert statuses == [401, 401, 429, 401]
