"""API2:2023 Broken authentication: second factors and step-up."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from pettycash.cli.lab.seed import fixed_credentials
from pettycash.models.access import RoleAssignment, User
from pettycash.runtime import db
from pettycash.services.foundation import encryption
from tests.api.client import ApiClient, in_thirty_days
from tests.factories.people import user_id
from tests.security.conftest import Login, code_of
from tests.security.people import MINUTE, alive, without_totp


@pytest.mark.parametrize("username", ["treasury", "custodian", "cfo", "admin"])
def test_roles_that_move_money_must_enrol_first(
    api: ApiClient, login: Login, username: str
) -> None:
    without_totp(username)
    tokens = login(username, totp_code=None).json
    caller = api.with_token(tokens["access_token"])

    assert tokens["purpose"] == "enrolment"
    refused = caller.get("/api/auth/sessions/")
    assert (refused.status_code, refused.json["code"]) == (403, "auth.enrolment_required")
    assert caller.get("/api/auth/me/").json["purpose"] == "enrolment"
    begun = caller.post("/api/auth/mfa/enrol/")
    assert begun.status_code == 200
    assert f"secret={begun.json['secret']}" in begun.json["provisioning_uri"]
    wrong = caller.post("/api/auth/mfa/confirm/", json={"code": "000000"})
    assert (wrong.status_code, wrong.json["code"]) == (422, "mfa.code_wrong")
    code = code_of(begun.json["secret"])
    assert caller.post("/api/auth/mfa/confirm/", json={"code": code}).status_code == 204
    assert not alive(caller)  # every session ends with a change of factors
    again = login(username, totp_code=None)
    assert again.json["code"] == "auth.mfa_required"
    assert login(username, totp_code=code).status_code == 401  # it was used to confirm


@pytest.mark.parametrize("username", ["staff", "branch_manager", "ceo", "auditor", "operator"])
def test_other_roles_may_go_without(api: ApiClient, login: Login, username: str) -> None:
    without_totp(username)

    assert login(username, totp_code=None).json["purpose"] == "full"


def test_a_role_that_needs_a_factor_narrows_a_session_that_is_open(api: ApiClient) -> None:
    without_totp("staff")
    staff = api.as_("staff")
    assert staff.get("/api/auth/sessions/").status_code == 200
    with staff.scope(), db.transaction() as session:
        session.add(
            RoleAssignment(
                company_id=staff.company_id,
                user_id=staff.user_id,
                role="treasury",
                scope_kind="company",
                valid_from=session.info["now"],
                proposed_by=user_id(session, "admin"),
                confirmed_by=user_id(session, "admin_2"),
            )
        )
    assert staff.get("/api/auth/sessions/").json["code"] == "auth.enrolment_required"


def test_an_enrolment_that_stands_is_not_begun_again(api: ApiClient) -> None:
    answer = api.as_("treasury").post("/api/auth/mfa/enrol/")

    assert (answer.status_code, answer.json["code"]) == (409, "mfa.already_enrolled")


def test_confirming_nothing_is_refused(api: ApiClient) -> None:
    without_totp("staff")
    answer = api.as_("staff").post("/api/auth/mfa/confirm/", json={"code": "123456"})

    assert (answer.status_code, answer.json["code"]) == (409, "mfa.not_begun")


def test_the_seed_is_encrypted_and_bound_to_its_owner(api: ApiClient) -> None:
    with db.system_transaction() as session:
        found = dict(
            session.execute(
                select(User.username, User.totp_seed).where(
                    User.username.in_(["treasury", "staff"])
                )
            ).all()
        )
        ids = dict(session.execute(select(User.username, User.id)).all())
    assert fixed_credentials("treasury").totp_secret not in found["treasury"]
    plain = encryption.decrypt(found["treasury"], bound_to=ids["treasury"])
    assert plain == fixed_credentials("treasury").totp_secret
    with pytest.raises(encryption.Undecipherable):
        encryption.decrypt(found["treasury"], bound_to=ids["staff"])


def test_an_administrator_resets_a_lost_factor_but_not_their_own(api: ApiClient) -> None:
    admin, operator = api.as_("admin"), api.as_("operator")
    reset = admin.post("/api/auth/mfa/reset/", json={"user_id": str(operator.user_id)})
    own = admin.post("/api/auth/mfa/reset/", json={"user_id": str(admin.user_id)})
    foreign = admin.post(
        "/api/auth/mfa/reset/", json={"user_id": str(api.as_("other_company").user_id)}
    )

    assert reset.status_code == 204
    assert not alive(operator)
    assert (own.status_code, own.json["code"]) == (403, "mfa.own_reset")
    assert (foreign.status_code, foreign.json["code"]) == (404, "user.not_found")
    assert alive(api.as_("other_company"))
    assert operator.post(
        "/api/auth/mfa/reset/", json={"user_id": str(admin.user_id)}
    ).status_code in (401, 403)


def test_what_is_dear_wants_the_password_again(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    stale = api.sign_in("admin", ago=timedelta(minutes=6))
    body = {"name": "app", "scopes": ["read"], "expires_at": in_thirty_days()}
    refused = stale.post("/api/api-keys/", json=body)
    assert (refused.status_code, refused.json["code"]) == (403, "auth.step_up_required")

    right = fixed_credentials("admin")
    wrong = stale.post("/api/auth/reauthenticate/", json={"password": "wrong"})
    assert (wrong.status_code, wrong.json["code"]) == (422, "auth.password_wrong")
    no_code = stale.post("/api/auth/reauthenticate/", json={"password": right.password})
    assert (no_code.status_code, no_code.json["code"]) == (422, "mfa.code_wrong")
    assert stale.post("/api/api-keys/", json=body).status_code == 403

    proof = {"password": right.password, "totp_code": code_of(right.totp_secret)}
    assert stale.post("/api/auth/reauthenticate/", json=proof).status_code == 204
    assert stale.post("/api/api-keys/", json=body).status_code == 201


def test_refreshing_is_no_authentication(
    api: ApiClient, login: Login, tune: Callable[..., None]
) -> None:
    tokens = login("admin").json
    tune(clock_shift_seconds=6 * MINUTE)
    tokens = api.anonymous.post(
        "/api/auth/refresh/", json={"refresh_token": tokens["refresh_token"]}
    ).json
    answer = api.with_token(tokens["access_token"]).post(
        "/api/api-keys/",
        json={"name": "app", "scopes": ["read"], "expires_at": in_thirty_days()},
    )

    assert answer.json["code"] == "auth.step_up_required"


def test_guessing_passwords_from_inside_is_locked_out_too(api: ApiClient, login: Login) -> None:
    staff = api.as_("staff")
    statuses = [
        staff.post("/api/auth/reauthenticate/", json={"password": "wrong"}).status_code
        for _ in range(6)
    ]

    assert statuses == [422] * 5 + [429]
    assert login("staff").status_code == 429


def test_a_right_password_forgives_no_wrong_codes(
    api: ApiClient, tune: Callable[..., None]
) -> None:
    """Whoever has a session and its password guessed codes for ever: asking for a new password
    that is refused forgot the failures."""
    tune(otp_per_person_per_minute=100, login_per_account_per_minute=100)
    treasury = api.as_("treasury")
    password = fixed_credentials("treasury").password
    statuses = []
    for _ in range(4):
        for _ in range(3):
            body = {"password": password, "totp_code": "000000"}
            statuses.append(treasury.post("/api/auth/reauthenticate/", json=body).status_code)
        body = {"current_password": password, "new_password": "short"}
        treasury.post("/api/auth/change_password/", json=body)

    assert statuses[:4] == [422] * 4
    assert 429 in statuses


def test_codes_are_counted_per_person_and_minute(api: ApiClient, tune: Callable[..., None]) -> None:
    tune(otp_per_person_per_minute=2)
    without_totp("staff")
    without_totp("ceo")
    staff = api.as_("staff")
    statuses = [
        staff.post("/api/auth/mfa/confirm/", json={"code": "123456"}).status_code for _ in range(3)
    ]

    assert statuses == [409, 409, 429]
    assert api.as_("ceo").post("/api/auth/mfa/confirm/", json={"code": "1" * 6}).status_code == 409
