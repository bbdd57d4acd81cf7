"""One's own page: sign-ins, password, app."""

import re
from datetime import timedelta

import pyotp
from sqlalchemy import update

from pettycash.models.access import User
from pettycash.runtime import db
from tests.console.test_session import SIGN_IN, typed
from tests.console.visiting import Visiting, form_of

NEW_PASSWORD = "three lamps in one window"


def test_one_sees_where_one_is_signed_in_and_ends_it_all(visitor: Visiting) -> None:
    here, there = visitor("staff"), visitor("staff")
    page = here.get("/console/me/")
    assert page.status_code == 200
    assert page.text.count('data-label="Last seen"') == 2
    answer = here.fill("/console/me/end-all/")
    assert (answer.status_code, answer.location) == (303, "/console/sign-in/?done=end-all")
    assert "Your session has ended." in there.get("/console/").text


def test_a_password_is_changed_and_every_session_ends(visitor: Visiting) -> None:
    staff = visitor("staff")
    old = typed("staff")["password"]
    for current, new, text in (
        ("wrong", NEW_PASSWORD, "wrong"),
        (old, "short", "character"),
        (old, old, "new"),
    ):
        refused = staff.fill("/console/me/password/", current_password=current, new_password=new)
        assert refused.status_code in (403, 422), refused.text
        assert text in refused.text
    answer = staff.fill("/console/me/password/", current_password=old, new_password=NEW_PASSWORD)
    assert answer.location == "/console/sign-in/?done=password"
    assert "Sign in with the new one" in staff.get(answer.location).text
    assert "Your session has ended." in staff.get("/console/").text
    again = visitor(None).post(SIGN_IN, typed("staff", password=NEW_PASSWORD))
    assert again.status_code == 303


def test_who_has_no_app_yet_sees_nothing_before_it_is_enrolled(visitor: Visiting) -> None:
    with db.scope(source="test"), db.system_transaction() as session:
        session.execute(
            update(User)
            .where(User.username == "treasury")
            .values(totp_seed=None, totp_enrolled_at=None)
        )
    nobody = visitor(None)
    known = typed("treasury")
    answer = nobody.post(SIGN_IN, {name: known[name] for name in ("username", "password")})
    assert answer.status_code == 303
    sent = nobody.get("/console/requisitions/")
    assert (sent.status_code, sent.location) == (303, "/console/me/app/")
    shown = nobody.fill("/console/me/app/")
    secret = re.search(r"pc-secret\">([A-Z2-7]{32})<", shown.text)
    assert secret is not None, shown.text
    fields = form_of(shown, "/console/me/app/confirm/")["fields"]
    wrong = nobody.post("/console/me/app/confirm/", fields | {"code": "000000"})
    assert wrong.status_code in {403, 422}
    fields = form_of(wrong, "/console/me/app/confirm/")["fields"]
    code = pyotp.TOTP(secret.group(1)).now()
    answer = nobody.post("/console/me/app/confirm/", fields | {"code": code})
    assert answer.location == "/console/sign-in/?done=app", answer.text


def test_what_is_dear_asks_once_more_and_keeps_the_form(visitor: Visiting) -> None:
    asked = visitor("treasury", ago=timedelta(minutes=6)).get("/console/me/app/")
    assert asked.status_code == 403
    assert "Confirm that it is you" in asked.text
