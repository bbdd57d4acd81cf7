"""Funds: where the money lies, what it does there, and how a fund is filled up."""

from collections.abc import Mapping
from typing import Any

from flask import g, request

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.columns import (
    Table,
    badge,
    day,
    flag,
    link,
    money,
    person,
    text,
    when,
    word,
)
from pettycash.console.forms import Choices, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, id_of, reaches, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.imprest import funds, replenishments, variances
from pettycash.web.operations.ledger import books

blp = Pages("funds", __name__, section="Funds")

PATH = "/console/funds/{id}/"
ROWS = 20
"""So many of its newest rows stand on a fund's page; the rest is a link."""

LIMITS = (
    asks("target_balance", "Float", "What the fund shall hold."),
    asks("reorder_level", "Reorder level", "Below it a replenishment is asked for."),
    asks("minimum_balance", "Floor of each store", "Payments stop there."),
    asks("maximum_balance", "A drawer holds at most"),
    asks("cash_limit", "A cash voucher is at most"),
)


def begins(_uow: Uow) -> Mapping[str, str]:
    """A new fund is in the company's currency."""
    return {"currency": str(g.company.currency)}


def own_stores(uow: Uow) -> Choices:
    """The stores of the fund whose page this is."""
    found = read(uow, funds.list_stores, fund_id=(request.view_args or {})["fund_id"], limit=200)
    return [(str(each["id"]), each["name"]) for each in found["items"]]


CREATE = Act(
    operation=funds.create,
    verb="new",
    label="Open the fund",
    done="The fund is open. Add its stores, then name its custodian.",
    fields=(
        asks("code", "Code", "Short, such as KAREN.", autofocus=True),
        asks("name", "Name"),
        asks("branch_id", "Branch", choices=choices.branches),
        asks("currency", "Currency"),
        *LIMITS,
    ),
    starts=begins,
    to=PATH,
)

ACTS = (
    Act(
        operation=funds.replenish,
        verb="replenish",
        label="Ask for a replenishment",
        done="",
        fields=(
            asks("reason", "Reason", is_long=True),
            asks("amount", "Amount", "Left out: what fills the fund up to its float."),
            asks("store_id", "Where shall it go?", choices=own_stores),
        ),
        to="/console/replenishments/{id}/",
        tone="primary",
    ),
    Act(
        operation=funds.create_store,
        verb="new-store",
        label="Add a store",
        done="The store is there, empty.",
        fields=(
            asks("code", "Code"),
            asks("name", "Name"),
            asks("kind", "Kind"),
            asks(
                "provider_account_id",
                "Account with a rail",
                "Of a share; a drawer has none.",
                choices=choices.rail_accounts,
            ),
        ),
    ),
    Act(
        operation=funds.opening_balance,
        verb="opening-balance",
        label="Propose an opening balance",
        done="",
        fields=(
            asks("store_id", "Store", choices=own_stores),
            asks("amount", "Amount"),
            asks("day", "Day", "The day at whose beginning it lay there."),
            asks("reason", "Reason", is_long=True),
        ),
        to="/console/changes/{id}/",
        says="A second person confirms it; then it is posted.",
    ),
    Act(
        operation=funds.update,
        verb="edit",
        label="Rename or close",
        done="Changed.",
        fields=(asks("name", "Name"), asks("is_active", "It is open")),
        sends={"expected": "_version"},
        says="A fund is closed once it is empty. Two people change its limits and custodians.",
    ),
)

STORES = Table(
    name="stores",
    title="Stores",
    columns=(
        link("name", "/console/funds/{fund_id}/stores/{store_id}/", "Store"),
        word("kind"),
        money("balance"),
        money("held"),
        money("available"),
        money("floor"),
        flag("is_active", "Open"),
    ),
    empty="It has no store yet: add a drawer or a share of an account.",
)
LINES = (
    day("accounting_date", "Day"),
    text("description"),
    word("type"),
    money("amount"),
    word("direction"),
    money("balance", "Balance after"),
    link("open", "/console/journal/{entry_id}/", "Entry"),
)
REPLENISHMENTS = Table(
    name="replenishments",
    title="Replenishments",
    columns=(
        link("number", "/console/replenishments/{id}/"),
        badge("status"),
        money("requested_amount", "Asked for"),
        money("received_amount", "Received"),
        when("requested_at", "Asked"),
    ),
)
VARIANCES = Table(
    name="variances",
    title="Variances",
    columns=(
        link("number", "/console/variances/{id}/"),
        word("kind"),
        badge("status"),
        money("variance_amount", "Difference"),
    ),
)
STATEMENT = Table(name="statement", title="Newest lines of its statement", columns=LINES)


def story(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Stores, identity and statement, its replenishments and variances."""
    fund_id = id_of(shown)
    found = read(uow, funds.balance, fund_id=fund_id)
    stores = [each | {"fund_id": shown["id"]} for each in found["stores"]]
    about = {"fund_id": [fund_id], "limit": ROWS}
    asked = (
        (STATEMENT, books.list_lines),
        (REPLENISHMENTS, replenishments.list_all),
        (VARIANCES, variances.list_all),
    )
    parts = [(table, read(uow, of, **about)) for table, of in asked if reaches(of)]
    return {
        "stores": (STORES, stores),
        "identity": found["imprest_identity"],
        "held": found["held"],
        "parts": [(table, rows["items"], rows.get("people", {})) for table, rows in parts],
    }


blp.list(
    "/funds/",
    funds.list_all,
    title="Funds",
    columns=(
        link("name", PATH, "Fund"),
        text("code"),
        badge("level", "State"),
        money("available"),
        money("current_balance", "Balance"),
        money("target_balance", "Float"),
        money("reorder_level", "Reorder level"),
        person("custodian_id", "Custodian"),
        flag("is_active", "Open"),
    ),
    filters=(
        asks("q", "Words of code or name"),
        asks("currency"),
        asks("branch_id", "Branch", choices=choices.branches),
        asks("is_active", "Open only"),
        asks("order"),
    ),
    empty="There is no fund in your scope. Treasury opens one for each place and currency.",
    new="/console/funds/new/",
    new_operation=funds.create,
)
blp.form("/funds/new/", CREATE, title="New fund")
blp.detail(
    "/funds/<uuid:fund_id>/",
    funds.get,
    title=lambda shown: str(shown["name"]),
    facts=(
        text("code"),
        money("current_balance", "Balance"),
        money("target_balance", "Float"),
        money("reorder_level", "Reorder level"),
        money("minimum_balance", "Floor of each store"),
        money("maximum_balance", "A drawer holds at most"),
        money("cash_limit", "A cash voucher is at most"),
        person("custodian_id", "Custodian"),
        person("alternate_custodian_id", "Alternate"),
        flag("is_active", "Open"),
    ),
    acts=ACTS,
    made_by=CREATE,
    more=story,
    amount="",
    template="funds/detail.html",
)
blp.list(
    "/funds/<uuid:fund_id>/statement/",
    books.list_lines,
    title="Statement",
    columns=LINES,
    filters=(
        asks("q", "Words of the description"),
        asks("type"),
        asks("direction"),
        asks("min_amount", "At least"),
        asks("max_amount", "At most"),
        asks("from", "From"),
        asks("to", "Until"),
        asks("order"),
    ),
    within=lambda fund_id: {"fund_id": [fund_id]},
    empty="Nothing was posted to this fund in this time.",
    in_navigation=False,
)
blp.detail(
    "/funds/<uuid:fund_id>/stores/<uuid:store_id>/",
    funds.get_store,
    title=lambda shown: str(shown["name"]),
    facts=(
        text("code"),
        word("kind"),
        text("currency"),
        flag("is_active", "Open"),
        when("created_at", "Since"),
        link("open", "/console/accounts/{account_id}/", "Its account in the books"),
        link("open", PATH.replace("{id}", "{fund_id}"), "Fund"),
    ),
    acts=(
        Act(
            operation=funds.update_store,
            verb="edit",
            label="Rename or close",
            done="Changed.",
            fields=(asks("name", "Name"), asks("is_active", "It is open")),
            sends={"expected": "_version"},
            says="A store is closed once it is empty.",
        ),
    ),
)
