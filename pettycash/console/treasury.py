"""The dashboard of treasury, live: funds, the day's releases, doubt, replenishments, alerts."""

from collections.abc import Mapping
from typing import Any

from flask import g

from pettycash.console.columns import badge, link, money, when
from pettycash.console.live import Part, live
from pettycash.console.pages import Pages
from pettycash.console.reading import listed, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.imprest import funds, replenishments
from pettycash.web.operations.operations import cases
from pettycash.web.operations.payments import payments
from pettycash.web.operations.reports import treasury

blp = Pages("treasury", __name__, section="Funds")

FUNDS_MAX, ROWS_MAX = 50, 10


def fund_cards(uow: Uow) -> Mapping[str, Any]:
    """The funds that are open."""
    found = read(uow, funds.list_all, is_active=True, limit=FUNDS_MAX)
    return {"funds": found["items"], "has_more": bool(found["next_cursor"])}


def counted(uow: Uow) -> Mapping[str, Any]:
    """The day's counts; two parts of the page show them."""
    if "today" not in g:
        g.today = read(uow, treasury.today)
    found: Mapping[str, Any] = g.today
    return found


def day(uow: Uow) -> Mapping[str, Any]:
    """What was released today, by what became of it."""
    found = counted(uow)
    return {"day": found["day"], "counts": found["executions"]}


def doubt(uow: Uow) -> Mapping[str, Any]:
    """What is in doubt, by its age, and the oldest of it."""
    oldest = listed(uow, payments.list_all, status=["in_doubt"], order="oldest", limit=ROWS_MAX)
    return {
        "counts": counted(uow)["in_doubt"],
        "rows": oldest["items"],
        "columns": (
            link("number", "/console/payments/{id}/"),
            money("amount"),
            badge("method"),
            when("status_changed_at", "Since"),
        ),
    }


def under_way(uow: Uow) -> Mapping[str, Any]:
    """Replenishments that are not received yet."""
    waiting = ["pending", "approved", "funded"]
    found = listed(uow, replenishments.list_all, status=waiting, order="oldest", limit=ROWS_MAX)
    return {
        "empty": "No replenishment is under way.",
        "rows": found["items"],
        "columns": (
            link("number", "/console/replenishments/{id}/"),
            money("requested_amount", "Asked for"),
            badge("status"),
            when("status_changed_at", "Since"),
        ),
    }


def alerts(uow: Uow) -> Mapping[str, Any]:
    """Open cases, the oldest first."""
    found = listed(uow, cases.list_all, status=["open"], order="oldest", limit=ROWS_MAX)
    return {
        "empty": "No case is open.",
        "rows": found["items"],
        "columns": (
            link("summary", "/console/cases/{id}/", "Case"),
            badge("severity"),
            when("created_at", "Since"),
            when("due_at", "Due"),
        ),
    }


live(
    blp,
    "/treasury/",
    treasury.today,
    title="Treasury",
    template="treasury/dashboard.html",
    parts=(
        Part(
            name="funds",
            title="Funds",
            operation=funds.list_all,
            reads=fund_cards,
            template="treasury/funds.html",
        ),
        Part(
            name="day",
            title="Released today",
            operation=treasury.today,
            reads=day,
            template="treasury/day.html",
        ),
        Part(
            name="doubt",
            title="In doubt",
            operation=treasury.today,
            reads=doubt,
            template="treasury/doubt.html",
        ),
        Part(
            name="replenishments",
            title="Replenishments under way",
            operation=replenishments.list_all,
            reads=under_way,
            template="treasury/rows.html",
        ),
        Part(
            name="alerts",
            title="Alerts",
            operation=cases.list_all,
            reads=alerts,
            template="treasury/rows.html",
        ),
    ),
)
