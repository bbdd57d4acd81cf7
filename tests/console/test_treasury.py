"""Funds, replenishments and variances at the console, and the dashboard that asks by itself."""

from pettycash.runtime import db
from tests import books, replenishing
from tests.console.test_payments import app_code, made
from tests.console.visiting import Visiting
from tests.factories import payments as making
from tests.factories.people import company_id


def low_fund() -> tuple[str, str]:
    """Spend so much that a fund asks for money: the pages of both."""
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        fund = books.fund(session)
        found = replenishing.low(session, fund)
        return f"/console/funds/{fund.id}/", f"/console/replenishments/{found.id}/"


def test_a_fund_is_filled_up(visitor: Visiting) -> None:
    fund, page = low_fund()
    manager = visitor("group_finance_manager")
    shown = manager.get(fund)
    assert "The float is always somewhere" in shown.text
    assert "Critical" in shown.text or "Low" in shown.text
    assert "Vouchers not yet replenished" in shown.text
    asked = manager.get(page)
    assert "How the amount comes about" in asked.text
    answer = manager.fill(f"{page}approve/")
    assert answer.status_code == 303, answer.text
    treasurer = visitor("treasury")
    for step, typed in (
        ("send", {}),
        ("verify", {"code": app_code("treasury")}),
        ("fund", {"bank_reference": "FT26325XYZ"}),
    ):
        answer = treasurer.fill(f"{page}release/", f"{page}release/{step}/", **typed)
        assert answer.status_code == 303, answer.text
    assert "the money is on its way" in treasurer.get(answer.location).text
    custodian = visitor("custodian")
    answer = custodian.fill(f"{page}receive/", amount="1,000.00")
    assert answer.status_code == 303, answer.text
    short = custodian.get(page)
    assert "Receive the money" in short.text  # the rest is still to come
    assert "short delivery" in manager.get(page).text.lower() or "missing" in manager.get(page).text


def test_a_store_is_added_and_renamed(visitor: Visiting) -> None:
    fund, _ = low_fund()
    treasurer = visitor("treasury")
    wrong = treasurer.fill(f"{fund}new-store/", code="SPARE", kind="drawer")
    assert wrong.status_code == 422
    assert "f-name" in wrong.text
    assert 'value="SPARE"' in wrong.text
    answer = treasurer.fill(f"{fund}new-store/", code="SPARE", name="Spare drawer", kind="drawer")
    assert answer.status_code == 303, answer.text
    shown = treasurer.get(fund).text
    store = shown.partition(">Spare drawer<")[0].rpartition('href="')[2].rstrip('"')
    answer = treasurer.fill(f"{store}edit/", name="Second drawer")
    assert answer.status_code == 303, answer.text
    assert "Second drawer" in treasurer.get(store).text


def test_a_part_of_the_dashboard_answers_only_what_is_new(visitor: Visiting) -> None:
    treasurer = visitor("treasury")
    page = treasurer.get("/console/treasury/")
    assert page.status_code == 200, page.text
    place = "/console/treasury/day/"
    seen = page.text.partition(f'data-live="{place}" data-seen="')[2].partition('"')[0]
    assert treasurer.get(f"{place}?seen={seen}").status_code == 204
    made(making.executing)
    news = treasurer.get(f"{place}?seen={seen}")
    assert news.status_code == 200
    assert "KES 1,500.00" in news.text
    assert treasurer.get(f"{place}?seen={news.headers['X-Version']}").status_code == 204


def test_a_tick_of_nobody_is_refused_without_a_page(visitor: Visiting) -> None:
    answer = visitor(None).get("/console/treasury/day/?seen=x")
    assert (answer.status_code, answer.text) == (401, "")


def test_what_an_auditor_reads_does_not_ask_by_itself(visitor: Visiting) -> None:
    page = visitor("auditor").get("/console/treasury/")
    assert page.status_code == 200
    assert "data-live=" not in page.text.replace("data-live-said", "")
