"""API2:2023 Broken authentication: which passwords are taken."""

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from pettycash.cli.lab.seed import fixed_credentials
from pettycash.models.access import User
from pettycash.runtime import db, settings
from pettycash.services.access.identity import sessions
from tests.api.client import ApiClient
from tests.security.conftest import Login
from tests.security.people import alive, change_user, without_totp

NEW = "gravel tuba moonless crate"


def test_a_new_password_ends_every_session(api: ApiClient, login: Login) -> None:
    here, there = api.as_("staff"), api.sign_in("staff")
    body = {"current_password": fixed_credentials("staff").password, "new_password": NEW}

    assert here.post("/api/auth/change_password/", json=body).status_code == 204
    assert not alive(here)
    assert not alive(there)
    assert login("staff").status_code == 401
    assert login("staff", password=NEW).status_code == 200


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short", "password.too_short"),
        ("x" * 129, "password.too_long"),
        ("password1", "password.too_common"),
        ("P@ssw0rd!!", "password.too_common"),
        ("qwertyuiop", "password.too_common"),
        ("1234567890", "password.too_common"),
        ("aaaaaaaaaa", "password.too_common"),
        ("Sunshine2026!", "password.too_common"),
        ("iloveyou iloveyou", "password.too_common"),
        ("pettycash2026", "password.too_common"),
        ("staff-staff-1", "password.too_common"),
        ("Demo-organisation-1", "password.too_common"),
    ],
)
def test_weak_passwords_are_refused(common: ApiClient, new: str, code: str) -> None:
    staff = common.as_("staff")
    body = {"current_password": fixed_credentials("staff").password, "new_password": new}
    answer = staff.post("/api/auth/change_password/", json=body)

    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert alive(staff)


@pytest.mark.parametrize(
    "new",
    [
        "gravel tuba",
        "Ng\u0169g\u0129 wa ndizi",
        "\U0001f40a\U0001f98a\U0001f9ac\U0001f9a4 oak",
        "x9#Kq!2m",
        "  spaced  out  ",
    ],
)
def test_any_character_is_taken(api: ApiClient, login: Login, new: str) -> None:
    body = {"current_password": fixed_credentials("staff").password, "new_password": new}

    assert api.as_("staff").post("/api/auth/change_password/", json=body).status_code == 204
    assert login("staff", password=new).status_code == 200


def test_without_a_second_factor_a_password_is_longer(api: ApiClient) -> None:
    without_totp("staff")
    right = fixed_credentials("staff").password
    short = {"current_password": right, "new_password": "gravel tuba"}
    long = {"current_password": right, "new_password": NEW}

    answer = api.as_("staff").post("/api/auth/change_password/", json=short)
    assert (answer.status_code, answer.json["code"]) == (422, "password.too_short")
    assert api.as_("staff").post("/api/auth/change_password/", json=long).status_code == 204


def test_the_old_password_is_asked_for_and_not_taken_again(api: ApiClient) -> None:
    staff = api.as_("staff")
    right = fixed_credentials("staff").password
    wrong = staff.post(
        "/api/auth/change_password/", json={"current_password": "x", "new_password": NEW}
    )
    same = staff.post(
        "/api/auth/change_password/", json={"current_password": right, "new_password": right}
    )

    assert (wrong.status_code, wrong.json["code"]) == (422, "auth.password_wrong")
    assert same.status_code == 422


def test_a_password_that_was_given_has_to_be_replaced(api: ApiClient, login: Login) -> None:
    change_user("staff", password_changed_at=sessions.GIVEN)
    tokens = login("staff").json
    caller = api.with_token(tokens["access_token"])

    assert tokens["purpose"] == "enrolment"
    assert caller.get("/api/auth/sessions/").json["code"] == "auth.enrolment_required"
    body = {"current_password": fixed_credentials("staff").password, "new_password": NEW}
    assert caller.post("/api/auth/change_password/", json=body).status_code == 204
    change_user("staff", totp_last_step=None)
    assert login("staff", password=NEW).json["purpose"] == "full"


COMPOSED, DECOMPOSED = "caf\u00e9 tuba moonless crate", "cafe\u0301 tuba moonless crate"
LIGATURE, FULL_WIDTH = "\ufb01fty tuba moonless crate", "\uff46ifty tuba moonless crate"


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (LIGATURE, FULL_WIDTH)],
)
def test_a_password_is_the_same_on_every_keyboard(
    api: ApiClient, login: Login, chosen: str, typed: str
) -> None:
    body = {"current_password": fixed_credentials("staff").password, "new_password": chosen}

    assert api.as_("staff").post("/api/auth/change_password/", json=body).status_code == 204
    assert login("staff", password=typed).status_code == 200


def test_a_hash_of_before_goes_on_working_and_is_renewed(api: ApiClient, login: Login) -> None:
    profile = settings.current()
    before = PasswordHasher(
        time_cost=profile.hash_rounds,
        memory_cost=profile.hash_memory_kib,
        parallelism=profile.hash_lanes,
    ).hash(DECOMPOSED)
    change_user("staff", password_hash=before)

    assert login("staff", password=COMPOSED).status_code == 401
    assert login("staff", password=DECOMPOSED).status_code == 200
    change_user("staff", totp_last_step=None)
    assert login("staff", password=COMPOSED).status_code == 200
    with db.system_transaction() as session:
        renewed = session.execute(select(User.password_hash).filter_by(username="staff")).scalar()
    change_user("staff", totp_last_step=None)
    assert login("staff", password=DECOMPOSED).status_code == 200
    with db.system_transaction() as session:
        after = session.execute(select(User.password_hash).filter_by(username="staff")).scalar()
    assert before != renewed == after


def test_the_length_of_a_password_is_that_of_its_normal_form(api: ApiClient) -> None:
    """U+FDFA is eighteen letters in NFKC; combining marks are none of their own."""
    staff, right = api.as_("staff"), fixed_credentials("staff").password
    for new, code in (("\ufdfa" * 8, "password.too_long"), ("e\u0301" * 7, "password.too_short")):
        body = {"current_password": right, "new_password": new}
        answer = staff.post("/api/auth/change_password/", json=body)
        assert (answer.status_code, answer.json["code"]) == (422, code)


def test_a_password_that_is_no_text_is_just_wrong(common: ApiClient, login: Login) -> None:
    for wrong in ("\ud800", "x\x00y", "\u0007"):
        assert login("staff", password=wrong, totp_code=None).status_code in (400, 401, 422)
