"""Home: what waits for whoever signs in, since when and how much."""

from collections.abc import Mapping
from decimal import Decimal

from flask import Response, make_response, render_template

from pettycash.console.pages import Pages
from pettycash.console.reading import read, unit
from pettycash.web.operations.reports.work import list_all

blp = Pages("home", __name__, section="Home")

TITLES: Mapping[str, str] = {}
"""Of kinds of work whose own name says too little."""

API, CONSOLE = "/api/", "/console/"


@blp.page("/", list_all)
def home() -> Response:
    """The queues of a person."""
    with unit() as uow:
        kinds = read(uow, list_all)["items"]
        for kind in kinds:
            sums: dict[str, Decimal] = {}
            for each in kind["items"]:
                each["to"] = each["link"].replace(API, CONSOLE, 1)
                if each["amount"] is not None:
                    amount = Decimal(each["amount"])
                    sums[each["currency"]] = sums.get(each["currency"], Decimal(0)) + amount
            kind["sums"] = sums
        page = render_template("home.html", title="Home", kinds=kinds, titles=TITLES)
    return make_response(page)
