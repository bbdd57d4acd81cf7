"""API2:2023 Broken authentication: tokens and sessions."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from pettycash.models.access import RoleAssignment, SecurityEvent
from pettycash.runtime import db
from pettycash.services.access.identity.sessions import REPEATS_WITHIN
from pettycash.services.foundation import encryption
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
        assert encryption.token_digest(answer[name]).hex() in row


def test_refreshing_rotates_both_tokens(api: ApiClient, login: Login) -> None:
    first = login("treasury").json
    second = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": first["refresh_token"]}
    ).json

    assert first["access_token"] != second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]
    assert not alive(api.with_token(first["access_token"]))
    assert alive(api.with_token(second["access_token"]))


def test_a_refresh_token_that_comes_later_once_more_ends_the_family(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    first = login("treasury").json
    bystander = api.as_("treasury")
    body = {"refresh_token": first["refresh_token"]}
    second = api.anonymous.post("/api/auth/refresh/", json=body).json
    tune(clock_shift_seconds=REPEATS_WITHIN.total_seconds() + 1)
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


def test_two_refreshes_at_once_get_the_same_successor(api: ApiClient, login: Login) -> None:
    body = {"refresh_token": login("treasury").json["refresh_token"]}
    start = threading.Barrier(2)

    def refresh(_number: int) -> TestResponse:
        start.wait()
        return api.anonymous.post("/api/auth/refresh/", json=body)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(refresh, range(2))

    assert (one.status_code, other.status_code) == (200, 200)
    for name in ("access_token", "refresh_token"):
        assert one.json[name] == other.json[name]
    assert alive(api.with_token(one.json["access_token"]))
    with db.system_transaction() as session:
        rows = session.execute(
            text(
                "SELECT s.generation FROM auth_sessions s JOIN users u ON u.id = s.user_id"
                " WHERE u.username = 'treasury' ORDER BY s.id"
            )
        ).scalars()
        assert list(rows) == [0, 1]


def test_a_lost_answer_is_given_again_within_ten_seconds(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    body = {"refresh_token": login("treasury").json["refresh_token"]}
    first = api.anonymous.post("/api/auth/refresh/", json=body).json
    tune(clock_shift_seconds=REPEATS_WITHIN.total_seconds() - 2)
    again = api.anonymous.post("/api/auth/refresh/", json=body).json

    assert {**again, "expires_in": 0} == {**first, "expires_in": 0}
    assert again["expires_in"] < first["expires_in"]
    assert alive(api.with_token(again["access_token"]))
    next_body = {"refresh_token": again["refresh_token"]}
    assert api.anonymous.post("/api/auth/refresh/", json=next_body).status_code == 200


def test_a_third_generation_in_use_ends_the_window(api: ApiClient, login: Login) -> None:
    """Whoever holds the first token is a thief once its successor has been exchanged as well."""
    first = {"refresh_token": login("treasury").json["refresh_token"]}
    second = {
        "refresh_token": api.anonymous.post("/api/auth/refresh/", json=first).json["refresh_token"]
    }
    third = api.anonymous.post("/api/auth/refresh/", json=second).json
    stolen = api.anonymous.post("/api/auth/refresh/", json=first)

    assert (stolen.status_code, stolen.json["code"]) == (401, "auth.session_ended")
    assert not alive(api.with_token(third["access_token"]))


def test_a_successor_can_t_be_made_from_what_is_stored(api: ApiClient, login: Login) -> None:
    """Its digest alone is kept; without the token that was presented the key leads nowhere."""
    first = login("treasury").json["refresh_token"]
    after = api.anonymous.post("/api/auth/refresh/", json={"refresh_token": first}).json
    with db.system_transaction() as session:
        row = session.execute(
            text("SELECT row_to_json(s)::text FROM auth_sessions s WHERE generation = 1")
        ).scalar_one()
        family = session.execute(
            text("SELECT family_id FROM auth_sessions WHERE generation = 1")
        ).scalar_one()
    assert after["refresh_token"] not in row
    assert after["refresh_token"] == encryption.next_token("rt", first, family=family, generation=1)
    assert after["refresh_token"] != encryption.next_token(
        "rt", first[:-1], family=family, generation=1
    )


def test_whoever_signed_out_is_not_let_in_by_a_repeat(api: ApiClient, login: Login) -> None:
    body = {"refresh_token": login("treasury").json["refresh_token"]}
    first = api.anonymous.post("/api/auth/refresh/", json=body).json
    api.with_token(first["access_token"]).post("/api/auth/logout/")

    again = api.anonymous.post("/api/auth/refresh/", json=body)

    assert (again.status_code, again.json["code"]) == (401, "auth.session_ended")


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
