"""Pages of the books: journal, accounts, periods."""

import re
from datetime import timedelta

from pettycash.runtime import db
from tests import books
from tests.api.client import ApiClient
from tests.console.browsing import NARROW, Browsing, look, shot
from tests.console.visiting import Visiting


def paid(api: ApiClient) -> str:
    """A payment is booked; its entry's account of the store."""
    with api.as_("treasury").scope(), db.transaction() as session:
        return str(books.pay(session, "1200.00").id)


def test_every_figure_leads_to_its_entries(api: ApiClient, visitor: Visiting) -> None:
    payment = paid(api)
    cfo = visitor("cfo")
    (entry,) = {
        each["id"]
        for each in api.as_("cfo").get(f"/api/journal/?payment_id={payment}").json["items"]
    }
    page = cfo.get(f"/console/journal/{entry}/").text
    assert page.count("1,200.00") >= 2
    assert f"/console/payments/{payment}/" in page
    account = re.findall(r'href="(/console/accounts/[0-9a-f-]{36}/)"', page)[0]
    assert f"/console/journal/{entry}/" in cfo.get(account).text
    assert visitor("staff").get(f"/console/journal/{entry}/").status_code == 403


def test_the_trial_balance_is_told_by_any_day(api: ApiClient, visitor: Visiting) -> None:
    paid(api)
    cfo = visitor("cfo")
    page = cfo.get("/console/trial-balance/").text
    assert "The sides are equal." in page
    assert 'href="/console/accounts/' in page
    assert (
        "Nothing was posted until then." in cfo.get("/console/trial-balance/?as_of=2001-01-01").text
    )
    wrong = cfo.get("/console/trial-balance/?as_of=yesterday")
    assert wrong.status_code == 422
    assert "f-as_of" in wrong.text


def test_an_account_is_opened_with_what_was_wrong_named(visitor: Visiting) -> None:
    cfo = visitor("cfo")
    typed = {"kind": "expense", "code": "EXP AIR", "name": "Airtime", "category": "airtime_x",
             "currency": "KES"}  # fmt: skip
    answer = cfo.fill("/console/accounts/new/", **typed)
    assert answer.status_code == 422
    assert "f-code" in answer.text
    assert 'value="Airtime"' in answer.text
    answer = cfo.fill("/console/accounts/new/", **typed | {"code": "EXP-AIR"})
    assert answer.status_code == 303, answer.text
    assert "Opened." in cfo.get(answer.location).text


def test_a_month_that_is_not_over_stays_open(api: ApiClient, visitor: Visiting) -> None:
    with db.system_transaction() as session:
        month = f"{session.info['now'] + timedelta(hours=3):%Y-%m}"
    place = f"/console/periods/{month}/"
    manager = visitor("group_finance_manager")
    assert place in manager.get("/console/periods/").text
    answer = manager.fill(f"{place}soft-close/")
    assert answer.status_code == 422
    assert "only when it is over" in answer.text
    assert visitor("cfo").get("/console/periods/1999-13/").status_code == 404


def test_the_pages_of_the_books_are_for_all(api: ApiClient, browser: Browsing) -> None:
    paid(api)
    cfo = browser("cfo")
    cfo.goto("/console/trial-balance/")
    look(cfo, "trial balance", within=NARROW)
    cfo.set_viewport_size({"width": 1280, "height": 900})
    for path in ("journal", "accounts", "periods"):
        cfo.goto(f"/console/{path}/")
        shot(cfo, path)
        look(cfo, path, within=NARROW)
        cfo.set_viewport_size({"width": 1280, "height": 900})
        cfo.locator("table a").first.click()
        shot(cfo, f"{path}-one")
        look(cfo, f"one of {path}", within=NARROW)
        cfo.set_viewport_size({"width": 1280, "height": 900})
    cfo.goto("/console/accounts/new/")
    look(cfo, "new account", within=NARROW)
