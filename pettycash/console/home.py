"""Home: what waits for whoever signs in, since when and how much."""

from collections.abc import Mapping
from decimal import Decimal

from flask import Response, make_response, render_template, request

from pettycash.console import session
from pettycash.console.pages import Pages
from pettycash.console.reading import read, unit
from pettycash.web.operations.reports.work import list_all

blp = Pages("home", __name__, section="Home")

TITLES: Mapping[str, str] = {
    "decisions": "To decide",
    "sent_back": "Sent back to you",
    "validations": "To validate",
    "releases": "To release",
    "acknowledgements": "Cash for you to confirm",
    "signatures": "Signatures to witness",
    "reviews": "To review",
    "left_behind": "Left behind by somebody who left",
    "replenishments_to_fund": "Replenishments to fund",
    "replenishments_to_receive": "Replenishments to receive",
    "cases": "Cases",
}
"""Of kinds of work; the others have a name that says enough."""

STEPS = (
    ("Raise", "Somebody needs money and says what for.", "requisitions/new", "requisitions.create"),
    ("Approve", "Other people decide, by amount and place.", "approvals", "requisitions.approve"),
    ("Release", "A treasury officer releases it by code.", "payments", "payments.execute"),
    ("See it in the books", "Each payment is an entry that balances.", "journal", "journal.list"),
)
"""The first day in four steps: what it is, where, and for whom there is a page."""

SEEN = "pc-steps-seen"
A_YEAR = 365 * 86400

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
        page = render_template(
            "home.html",
            title="Home",
            kinds=kinds,
            titles=TITLES,
            steps=() if SEEN in request.cookies else STEPS,
        )
    return make_response(page)


@blp.page("/steps-seen/", "auth.me", post=True)
def dismiss_steps() -> Response:
    """Leave the four steps out from now on, in this browser."""
    response = session.see(session.HOME)
    response.set_cookie(SEEN, "1", max_age=A_YEAR, secure=True, httponly=True, samesite="Strict")
    return response
