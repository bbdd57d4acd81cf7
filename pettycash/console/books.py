"""The books: journal, accounts with their running balance, trial balance, periods."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from flask import Response, g, make_response, render_template, request

from pettycash.console import forms
from pettycash.console.acts import Act
from pettycash.console.columns import (
    Table,
    badge,
    day,
    flag,
    link,
    money,
    month,
    person,
    text,
    when,
    word,
)
from pettycash.console.forms import Form, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, id_of, read, taking, unit
from pettycash.console.words import month as in_words
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.ledger import books, periods
from pettycash.web.operations.reports.reports import REPORTS

blp = Pages("books", __name__, section="Books")

# -- journal

ENTRY = "/console/journal/{id}/"


def both_sides(shown: Shown) -> Shown:
    """Each amount in the column of its side."""
    lines = [{**each, each["side"]: each["amount"]} for each in shown["postings"]]
    return {**shown, "postings": lines}


blp.list(
    "/journal/",
    books.list_entries,
    title="Journal",
    columns=(
        day("accounting_date", "Date", to=ENTRY),
        text("description"),
        money("amount"),
        word("rule"),
        person("created_by_id", "By"),
    ),
    filters=(
        asks("q", "Words of description and source"),
        asks("account_id", "Id of an account"),
        asks("currency"),
        asks("from", "From"),
        asks("to", "Until"),
        asks("order"),
    ),
    empty="Nothing was posted in these days.",
)
blp.detail(
    "/journal/<uuid:entry_id>/",
    books.get_entry,
    title=lambda shown: str(shown["description"]),
    facts=(
        day("accounting_date", "Date"),
        when("occurred_at", "Happened"),
        when("recorded_at", "Recorded"),
        word("rule"),
        text("source"),
        person("created_by_id", "By"),
        link("payment_id", "/console/payments/{payment_id}/", "Payment", says="Open"),
        link("reverses_entry_id", "/console/journal/{reverses_entry_id}/", "Reverses", says="Open"),
    ),
    tables=(
        Table(
            name="postings",
            title="Both sides",
            columns=(
                link("account_code", "/console/accounts/{account_id}/", "Account"),
                text("account_name", "Name"),
                money("debit"),
                money("credit"),
                money("balance_after", "Balance then"),
                word("category"),
            ),
        ),
    ),
    more=lambda _uow, shown: {"shown": both_sides(shown)},
)


# -- accounts

ACCOUNT = "/console/accounts/{id}/"

OPEN = Act(
    operation=books.create_account,
    verb="new",
    label="Open the account",
    done="Opened.",
    fields=(
        asks("kind", "Kind", "A bank account, or an expense category that lines may name."),
        asks("code", "Code"),
        asks("name", "Name"),
        asks("category", "What tells it apart", "Of an expense, what lines name: airtime."),
        asks("currency", "Currency"),
    ),
    to=ACCOUNT,
)

blp.list(
    "/accounts/",
    books.list_accounts,
    title="Accounts",
    columns=(
        link("code", ACCOUNT),
        text("name"),
        word("kind"),
        money("balance"),
        money("held"),
        flag("is_active", "In use"),
    ),
    filters=(
        asks("q", "Words of code and name"),
        asks("kind"),
        asks("currency"),
        asks("is_active", "In use only"),
        asks("order"),
    ),
    empty="There is no account yet. The first fund opens the accounts of its stores.",
    new="/console/accounts/new/",
    new_operation=books.create_account,
)
blp.form("/accounts/new/", OPEN, title="Open an account")


def running(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """The newest entries of an account, each with the balance after it."""
    found = read(uow, books.list_entries, account_id=id_of(shown), limit=50)
    lines = [
        {**entry, **line, "id": entry["id"], line["side"]: line["amount"]}
        for entry in found["items"]
        for line in reversed(entry["postings"])
        if line["account_id"] == shown["id"]
    ]
    return {
        "lines": lines,
        "line_columns": LINES,
        "has_more": found["next_cursor"] is not None,
    }


LINES = (
    day("accounting_date", "Date", to=ENTRY),
    text("description"),
    money("debit"),
    money("credit"),
    money("balance_after", "Balance"),
)

blp.detail(
    "/accounts/<uuid:account_id>/",
    books.get_account,
    title=lambda shown: f"{shown['code']}: {shown['name']}",
    facts=(
        word("kind"),
        money("balance", "Balance (debits less credits)"),
        money("held", "Held"),
        money("floor", "Never below"),
        word("category"),
        text("sequence", "Postings"),
        flag("is_active", "In use"),
        link("fund_id", "/console/funds/{fund_id}/", "Fund", says="Open"),
        link(
            "provider_account_id",
            "/console/admin/providers/{provider_account_id}/",
            "Provider account",
            says="Open",
        ),
    ),
    made_by=OPEN,
    more=running,
    amount="",
    template="books/account.html",
)

# -- trial balance

TRIAL_BALANCE = REPORTS["trial-balance"]
BALANCE = (
    link("code", "/console/accounts/{account_id}/", "Account"),
    text("name"),
    word("kind"),
    money("debit"),
    money("credit"),
)

blp.enter("/trial-balance/", TRIAL_BALANCE, title="Trial balance")


@blp.page("/trial-balance/", TRIAL_BALANCE)
def trial_balance() -> Response:
    """Every account on the side of its balance, by any day; the sides are equal."""
    fields = (asks("as_of", "As of", "Blank: all postings."), asks("currency", "Currency"))
    with unit() as uow:
        form = Form(schema=taking(TRIAL_BALANCE), fields=fields, uow=uow, zone=g.zone)
        shown, status = None, 200
        try:
            asked = form.read(request.args)
            asked.pop("format", None)
            shown = read(uow, TRIAL_BALANCE, **asked)
        except ma.ValidationError as error:
            form.errors, status = forms.messages(error), 422
        page = render_template(
            "books/trial_balance.html",
            title="Trial balance",
            section=blp.section,
            form=form,
            shown=shown,
            columns=BALANCE,
        )
    return make_response(page, status)


# -- periods


def half_closed(shown: Shown) -> bool:
    """Whether one person has closed it, and no second one for good."""
    return shown["soft_closed_at"] is not None and shown["hard_closed_at"] is None


MONTH = "/console/periods/{month}/"

blp.list(
    "/periods/",
    periods.list_all,
    title="Periods",
    columns=(
        month("month", "Month", to=MONTH),
        badge("state"),
        person("soft_closed_by_id", "Softly closed by"),
        when("soft_closed_at", "Softly closed"),
        person("hard_closed_by_id", "Closed for good by"),
        when("hard_closed_at", "Closed for good"),
    ),
    filters=(asks("state"),),
    empty="No month has begun.",
)
blp.detail(
    "/periods/<month>/",
    periods.get,
    title=lambda shown: in_words(shown["month"]),
    facts=(
        badge("state"),
        person("soft_closed_by_id", "Softly closed by"),
        when("soft_closed_at", "Softly closed"),
        person("hard_closed_by_id", "Closed for good by"),
        when("hard_closed_at", "Closed for good"),
    ),
    acts=(
        Act(
            operation=periods.soft_close,
            verb="soft-close",
            label="Close softly",
            done="Closed softly: no decision of people is dated in it any more.",
            tone="primary",
            when=lambda shown: shown["soft_closed_at"] is None,
            says="Facts of rails are still dated in it. Another person closes it for good.",
        ),
        Act(
            operation=periods.hard_close,
            verb="hard-close",
            label="Close for good",
            done="Closed for good.",
            tone="danger",
            when=half_closed,
            says="Nothing is dated in it any more, and nobody can open it again.",
        ),
        Act(
            operation=periods.reopen,
            verb="reopen",
            label="Reopen",
            done="Open again.",
            when=half_closed,
        ),
    ),
)
