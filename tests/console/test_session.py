"""Signing in, forgery, and forms that wait for a session or for fresh proof."""

import re
from datetime import timedelta
from uuid import uuid4

import pyotp
from sqlalchemy import select, update

from pettycash.cli.lab.seed import fixed_credentials
from pettycash.models.access import AuthSession
from pettycash.runtime import db
from pettycash.web.admission import COOKIE
from tests.api.client import ApiClient
from tests.console.test_requisitions import NEW, raised
from tests.console.visiting import Visiting, form_of

HOME = "/console/"
SIGN_IN = "/console/sign-in/"


def typed(username: str, **more: str) -> dict[str, str]:
    """Name, password and code of a persona."""
    known = fixed_credentials(username)
    code = pyotp.TOTP(known.totp_secret).now()
    grouped = f"{code[:3]} {code[3:]}"
    return {"username": username, "password": known.password, "totp_code": grouped} | more


def age_sessions(minutes: int) -> None:
    """Nobody has been seen for so long."""
    with db.scope(source="test"), db.system_transaction() as session:
        seen = session.info["now"] - timedelta(minutes=minutes)
        session.execute(update(AuthSession).values(last_seen_at=seen))


def test_one_signs_in_and_lands_where_they_wanted(visitor: Visiting) -> None:
    nobody = visitor(None)
    sent = nobody.get("/console/requisitions/?status=draft")
    assert (sent.status_code, sent.location) == (
        303,
        "/console/sign-in/?to=%2Fconsole%2Frequisitions%2F%3Fstatus%3Ddraft",
    )
    answer = nobody.fill(sent.location, SIGN_IN, **typed("staff"))
    assert (answer.status_code, answer.location) == (303, "/console/requisitions/?status=draft")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert set(cookie.split("; ")[1:]) == {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"}
    assert nobody.get(answer.location).status_code == 200


def test_a_sign_in_leads_nowhere_else(visitor: Visiting) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/console/", "/\\evil", "/api/"):
        answer = visitor(None).post(SIGN_IN, typed("staff", _to=elsewhere))
        if answer.status_code == 303:
            assert answer.location == HOME
        else:  # a code counts once
            assert answer.status_code == 401


def test_a_wrong_sign_in_says_so_and_keeps_the_name(visitor: Visiting) -> None:
    answer = visitor(None).post(SIGN_IN, typed("staff", password="wrong"))
    assert answer.status_code == 401
    assert "Username, password or code is wrong." in answer.text
    assert 'value="staff"' in answer.text
    assert "Set-Cookie" not in answer.headers
    for hostile in ({"username": "x" * 300}, {"password": "p" * 5000}, {"totp_code": "abc"}):
        assert visitor(None).post(SIGN_IN, typed("staff") | hostile).status_code == 401


def test_a_link_in_a_mail_finds_the_session_that_stayed_behind(visitor: Visiting) -> None:
    answer = visitor(None).get("/console/approvals/", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'content="0;url=/console/approvals/"' in answer.text


def test_forms_of_others_do_nothing(visitor: Visiting) -> None:
    staff = visitor("staff")
    form = staff.form("/console/requisitions/new/")
    fields = form["fields"] | {name.replace("__", "."): value for name, value in NEW.items()}
    forged = [
        staff.post(form["action"], fields, **{"Sec-Fetch-Site": "cross-site"}),
        staff.post(form["action"], fields, **{"Sec-Fetch-Site": "same-site"}),
        staff.post(form["action"], fields | {"_csrf": ""}),
        staff.post(form["action"], fields | {"_csrf": "a.b"}),
        visitor("staff_2").post(form["action"], fields),
    ]
    assert {each.status_code for each in forged} == {403}
    assert staff.post(form["action"], fields).status_code == 303


def test_a_form_that_is_sent_twice_counts_once(visitor: Visiting) -> None:
    staff = visitor("staff")
    form = staff.form("/console/requisitions/new/")
    fields = form["fields"] | {name.replace("__", "."): value for name, value in NEW.items()}
    first, second = (staff.post(form["action"], fields) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location
    other = staff.post(form["action"], fields | {"purpose": "Something else"})
    assert other.status_code == 422
    assert "new request needs a new key" in other.text


def test_a_form_that_meets_an_ended_session_goes_on_afterwards_once(visitor: Visiting) -> None:
    staff = visitor("staff")
    form = staff.form("/console/requisitions/new/")
    fields = form["fields"] | {name.replace("__", "."): value for name, value in NEW.items()}
    age_sessions(31)
    held_up = staff.post(form["action"], fields)
    assert held_up.status_code == 401
    assert "what you typed is kept" in held_up.text
    kept = form_of(held_up, SIGN_IN)["fields"]
    shown = staff.post(SIGN_IN, kept | typed("staff"))
    assert shown.status_code == 200
    assert "It was not sent yet." in shown.text
    again = form_of(shown, form["action"])["fields"]
    answer = staff.post(form["action"], again)
    assert answer.status_code == 303, answer.text
    assert staff.post(form["action"], again).location == answer.location


def test_a_form_that_waited_is_not_sent_by_somebody_else(visitor: Visiting) -> None:
    staff = visitor("staff")
    form = staff.form("/console/requisitions/new/")
    age_sessions(31)
    kept = form_of(staff.post(form["action"], form["fields"]), SIGN_IN)["fields"]
    answer = staff.post(SIGN_IN, kept | typed("branch_manager"))
    assert answer.status_code == 409
    assert "opened by somebody else" in answer.text


def test_a_token_without_refresh_lives_on_while_it_is_used(visitor: Visiting) -> None:
    nobody = visitor(None)
    nobody.post(SIGN_IN, typed("treasury"))
    with db.scope(source="test"), db.system_transaction() as session:
        found = session.execute(
            select(AuthSession).order_by(AuthSession.family_started_at.desc()).limit(1)
        ).scalar_one()
        assert found.refresh_digest is None
        assert found.access_expires_at == found.ends_at
    age_sessions(29)
    assert nobody.get(HOME).status_code == 200
    age_sessions(31)
    assert "Your session has ended." in nobody.get(HOME).text


def test_signing_out_ends_it(visitor: Visiting, api: ApiClient) -> None:
    staff = visitor("staff")
    token = staff.client.get_cookie(COOKIE).value
    answer = staff.fill(HOME, "/console/sign-out/")
    assert answer.status_code == 303
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert api.with_token(token).get("/api/auth/me/").status_code == 401


def test_an_api_key_opens_no_page(visitor: Visiting, api: ApiClient) -> None:
    nobody = visitor(None)
    nobody.client.set_cookie(COOKIE, api.with_key("read").token, secure=True)
    assert "<h1>Sign in</h1>" in nobody.get(HOME).text
    assert nobody.get("/console/requisitions/").status_code == 303


def test_an_id_of_nothing_and_a_page_of_nothing_are_not_found(visitor: Visiting) -> None:
    staff = visitor("staff")
    for path in (f"/console/requisitions/{uuid4()}/", "/console/nowhere/", "/console/a/b/c"):
        answer = staff.get(path)
        assert answer.status_code == 404, path
        assert "There is no such page" in answer.text
        assert re.search(r"<h1>Not found</h1>", answer.text)


def test_a_decision_on_what_was_changed_meanwhile_shows_what_changed(visitor: Visiting) -> None:
    staff, manager = visitor("staff"), visitor("branch_manager")
    place = raised(visitor)
    staff.fill(place, f"{place}submit/")
    form = manager.form(place, f"{place}approve/")
    changed = staff.fill(f"{place}edit/", purpose="Something quite different")
    assert changed.status_code == 303, changed.text
    answer = manager.post(f"{place}approve/", form["fields"])
    assert answer.status_code == 412
    for text in ("Changed meanwhile", "Water for the office", "Something quite different"):
        assert text in answer.text


def test_of_two_changes_neither_is_lost_and_nothing_merges(visitor: Visiting) -> None:
    place = raised(visitor)
    first, second = visitor("staff"), visitor("staff")
    form = second.form(f"{place}edit/")
    assert first.fill(f"{place}edit/", payee_name="Mountain Water").status_code == 303
    answer = second.post(form["action"], form["fields"] | {"purpose": "Water for two offices"})
    assert answer.status_code == 412
    assert "Mountain Water" in answer.text
    mine = form_of(answer, f"{place}edit/")
    assert mine["fields"]["purpose"] == "Water for two offices"
    assert second.post(f"{place}edit/", mine["fields"]).status_code == 303
    assert "Water for two offices" in first.get(place).text
