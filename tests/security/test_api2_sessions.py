"""API2:2023 Broken authentication: tokens and sessions."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update

from pettycash import db
from pettycash.models.identity import SecurityEvent
from pettycash.models.people import RoleAssignment
from pettycash.services import secrets_box
from tests.api.client import ApiClient
from tests.security.conftest import Login
from tests.security.people import HOUR, MINUTE, alive, change_user


def test_tokens_are_kept_as_digests_only(login: Login) -> None:
    answer = login("treasury").json
    with db.system_transaction() as session:
        row = session.execute(
            text("SELECT row_to_json(s)::text FROM auth_sessions s ORDER BY id DESC LIMIT 1")
        ).scalar_one()
        events = session.execute(text("SELECT 1")).scalar()
    assert events
    for name in ("access_token", "refresh_token"):
        assert answer[name] not in row
        assert len(answer[name]) >= 43  # 256 bits
        assert secrets_box.token_digest(answer[name]).hex() in row


def test_refreshing_rotates_both_tokens(api: ApiClient, login: Login) -> None:
    first = login("treasury").json
    second = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": first["refresh_token"]}
    ).json

    assert first["access_token"] != second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]
    assert not alive(api.with_token(first["access_token"]))
    assert alive(api.with_token(second["access_token"]))


def test_a_refresh_token_that_comes_twice_ends_the_family(api: ApiClient, login: Login) -> None:
    first = login("treasury").json
    bystander = api.as_("treasury")
    body = {"refresh_token": first["refresh_token"]}
    second = api.anonymous.post("/api/auth/refresh/", json=body).json
    stolen = api.anonymous.post("/api/auth/refresh/", json=body)

    assert (stolen.status_code, stolen.json["code"]) == (401, "auth.session_ended")
    assert not alive(api.with_token(second["access_token"]))
    victim = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": second["refresh_token"]}
    )
    assert victim.status_code == 401
    assert alive(bystander)  # another sign-in of the same person
    with bystander.scope(), db.transaction() as session:
        details = session.execute(
            select(SecurityEvent.detail).where(SecurityEvent.event == "auth.refresh")
        ).scalars()
        assert [each["reason"] for each in details] == ["reused"]


def test_two_refreshes_at_once_are_a_reuse(api: ApiClient, login: Login) -> None:
    body = {"refresh_token": login("treasury").json["refresh_token"]}
    start = threading.Barrier(2)

    def refresh(_number: int) -> int:
        start.wait()
        return api.anonymous.post("/api/auth/refresh/", json=body).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(refresh, range(2)))

    assert statuses == [200, 401]


@pytest.mark.parametrize("token", ["", "x", "pc_rt_x", "pc_at_x", "\u0661"])
def test_a_made_up_refresh_token_is_refused(common: ApiClient, token: str) -> None:
    answer = common.anonymous.post("/api/auth/refresh/", json={"refresh_token": token})

    assert answer.status_code == (422 if token == "" else 401)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic dHJlYXN1cnk6eA==", "bearer pc_at_x",
     "Bearer pc_key_x", "Bearer " + "x" * 5000],
)  # fmt: skip
def test_no_token_no_entry(common: ApiClient, header: str) -> None:
    answer = common.anonymous.get("/api/auth/me/", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_refresh_token_is_no_access_token(api: ApiClient, login: Login) -> None:
    tokens = login("treasury").json

    assert not alive(api.with_token(tokens["refresh_token"]))
    swapped = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": tokens["access_token"]}
    )
    assert swapped.status_code == 401


def test_access_ends_after_thirty_minutes(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    tokens = login("staff").json
    caller = api.with_token(tokens["access_token"])
    for minute in (10, 20, 29):
        tune(clock_shift_seconds=minute * MINUTE)
        assert alive(caller)
    tune(clock_shift_seconds=30 * MINUTE + 1)
    assert not alive(caller)
    refreshed = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": tokens["refresh_token"]}
    )
    assert refreshed.status_code == 200  # seen a minute ago


def test_idle_for_thirty_minutes_is_the_end(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    tokens = login("staff").json
    tune(clock_shift_seconds=30 * MINUTE + 1)
    refreshed = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": tokens["refresh_token"]}
    )

    assert refreshed.status_code == 401


@pytest.mark.parametrize(("username", "hours"), [("treasury", 8), ("staff", 12)])
def test_a_session_ends_however_busy_it_is(
    api: ApiClient, login: Login, tune: Callable[..., None], username: str, hours: int
) -> None:
    tokens = login(username).json
    for quarter in range(1, hours * 4):
        tune(clock_shift_seconds=quarter * 15 * MINUTE)
        answer = api.anonymous.post(
            "/api/auth/refresh/", json={"refresh_token": tokens["refresh_token"]}
        )
        assert answer.status_code == 200, quarter
        tokens = answer.json
    assert tokens["expires_in"] <= 15 * MINUTE
    tune(clock_shift_seconds=hours * HOUR + 1)
    assert not alive(api.with_token(tokens["access_token"]))
    late = api.anonymous.post("/api/auth/refresh/", json={"refresh_token": tokens["refresh_token"]})
    assert late.status_code == 401


def test_logging_out_ends_this_session_only(api: ApiClient, login: Login) -> None:
    here = login("staff").json
    there = api.as_("staff")
    answer = api.with_token(here["access_token"]).post("/api/auth/logout/")

    assert (answer.status_code, answer.data) == (204, b"")
    assert not alive(api.with_token(here["access_token"]))
    assert alive(there)
    refreshed = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": here["refresh_token"]}
    )
    assert refreshed.status_code == 401


def test_one_sees_and_ends_one_s_own_sessions_only(api: ApiClient) -> None:
    mine, also_mine, other = api.as_("staff"), api.sign_in("staff"), api.as_("treasury")
    listed = mine.get("/api/auth/sessions/").json["items"]
    theirs = other.get("/api/auth/sessions/").json["items"]

    assert len(listed) == 2
    assert [each["is_current"] for each in listed] == [False, True]
    assert {each["id"] for each in listed}.isdisjoint({each["id"] for each in theirs})
    foreign = mine.delete(f"/api/auth/sessions/{theirs[0]['id']}/")
    assert (foreign.status_code, foreign.json["code"]) == (404, "session.not_found")
    assert alive(other)
    assert mine.delete(f"/api/auth/sessions/{listed[0]['id']}/").status_code == 204
    assert not alive(also_mine)
    assert alive(mine)


def test_deactivation_ends_every_session_at_once(api: ApiClient) -> None:
    staff = api.as_("staff")
    assert alive(staff)
    change_user("staff", is_active=False)
    assert not alive(staff)


def test_a_role_that_ended_is_gone_with_the_next_request(api: ApiClient) -> None:
    admin = api.as_("admin")
    assert admin.get("/api/api-keys/").status_code == 200
    with admin.scope(), db.transaction() as session:
        session.execute(
            update(RoleAssignment)
            .where(RoleAssignment.user_id == admin.user_id)
            .values(valid_until=session.info["now"])
        )
    assert admin.get("/api/api-keys/").status_code == 403
