"""Approval thresholds: a ladder for each currency and origin, and what it leaves open, in words."""

from collections.abc import Mapping
from typing import Any

from flask import Response, g, make_response, render_template

from pettycash.console.acts import Act
from pettycash.console.columns import badge, day, flag, link, money, text, when, word, words
from pettycash.console.forms import Choices, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, reaches, read, unit
from pettycash.console.words import money as in_money
from pettycash.services.foundation.listings import PAGE_SIZE_MAX
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.approvals import thresholds

blp = Pages("thresholds", __name__, section="Administration")

TIER = "/console/admin/thresholds/{id}/"
CHANGE = "/console/changes/{id}/"


def tiers(uow: Uow) -> Choices:
    """The tiers that one may replace."""
    found = read(uow, thresholds.list_all, limit=PAGE_SIZE_MAX)["items"]
    return [
        (each["id"], f"{each['name']}, {each['origin']} {each['currency']}")
        for each in found
        if each["valid_until"] is None
    ]


def listed(typed: dict[str, Any]) -> dict[str, Any]:
    """Roles come one a line, in order."""
    named = str(typed.get("roles_sequence", "")).splitlines()
    roles = [each.strip().lower().replace(" ", "_") for each in named if each.strip()]
    return typed | {"roles_sequence": roles}


def begins(_uow: Uow) -> Mapping[str, str]:
    """In the company's currency."""
    return {"currency": str(g.company.currency), "min_amount": "0"}


DRAFT = Act(
    operation=thresholds.draft,
    verb="new",
    label="Draft the tier",
    done="Drafted.",
    fields=(
        asks("name", "Name", autofocus=True),
        asks("currency", "Currency"),
        asks("origin", "Raised in"),
        asks("tier", "Tier", "Its number: 1 for the smallest amounts."),
        asks("min_amount", "Above", "Amounts above this one."),
        asks("max_amount", "Up to", "This amount included; blank for no limit."),
        asks(
            "roles_sequence",
            "Who approves, in order",
            "One role a line, such as branch manager; none: treasury validates alone.",
            is_lines=True,
        ),
        asks("allow_urgent_fasttrack", "An urgent one may skip steps"),
        asks("requires_cfo", "The CFO is always asked"),
        asks("valid_from", "From", "Blank: from publication."),
        asks("valid_until", "Until", "Blank: for ever."),
        asks("replaces_id", "Instead of", "The tier that ends where this begins.", choices=tiers),
        asks("reason", "Reason", is_long=True),
    ),
    starts=begins,
    prepare=listed,
    says="The CFO, who is not the drafter, publishes it. Running requisitions keep their tier.",
    to=CHANGE,
)

blp.enter("/admin/thresholds/", thresholds.list_all, title="Thresholds")


@blp.page("/admin/thresholds/", thresholds.list_all)
def ladders() -> Response:
    """Each ladder that holds now or will, and the amounts that nobody is asked about."""
    with unit() as uow:
        found = read(uow, thresholds.list_all, limit=PAGE_SIZE_MAX)["items"]
        covered = read(uow, thresholds.coverage)
        gaps = [
            f"{row['currency']}, {row['origin']}: {_in_words(gap, row['currency'])}"
            for row in covered["items"]
            for gap in row["gaps"]
        ]
        ladder: dict[tuple[str, str], list[Shown]] = {}
        for each in found:
            ladder.setdefault((each["currency"], each["origin"]), []).append(each)
        page = render_template(
            "admin/thresholds.html",
            title="Thresholds",
            section=blp.section,
            ladders=ladder,
            gaps=gaps,
            columns=COLUMNS,
            may_draft=reaches(thresholds.draft),
        )
    return make_response(page)


def _in_words(gap: Shown, currency: str) -> str:
    above = in_money(gap["min_amount"], currency)
    if gap["max_amount"] is None:
        return f"nobody approves amounts above {above}"
    return f"nobody approves amounts above {above} up to {in_money(gap['max_amount'], currency)}"


COLUMNS = (
    link("name", TIER),
    text("tier"),
    money("min_amount", "Above"),
    money("max_amount", "Up to"),
    words("roles_sequence", "Who approves, in order"),
    flag("requires_cfo", "CFO always"),
    day("valid_from", "From"),
    day("valid_until", "Until"),
)

blp.form("/admin/thresholds/new/", DRAFT, title="Draft a tier")
blp.detail(
    "/admin/thresholds/<uuid:threshold_id>/",
    thresholds.get,
    title=lambda shown: str(shown["name"]),
    facts=(
        badge("origin", "Raised in"),
        text("tier"),
        money("min_amount", "Above"),
        money("max_amount", "Up to"),
        words("roles_sequence", "Who approves, in order"),
        flag("allow_urgent_fasttrack", "Urgent ones may skip steps"),
        flag("requires_cfo", "The CFO is always asked"),
        when("valid_from", "From"),
        when("valid_until", "Until"),
        word("currency"),
    ),
    acts=(
        Act(
            operation=thresholds.retire,
            verb="retire",
            label="Propose that it ends",
            done="Proposed.",
            fields=(
                asks("valid_until", "When?", "Blank: when it is published."),
                asks("reason", "Reason", is_long=True),
            ),
            tone="danger",
            when=lambda shown: shown["valid_until"] is None,
            says="The CFO publishes it. See first what would be left open.",
            to=CHANGE,
        ),
    ),
)
