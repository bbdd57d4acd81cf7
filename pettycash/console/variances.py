"""Variances: where the books and the world differ, decided by a second person."""

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.columns import badge, link, money, person, text, when, word
from pettycash.console.forms import asks
from pettycash.console.pages import Pages
from pettycash.web.operations.imprest import variances
from pettycash.web.operations.reports.offers import OFFERS

blp = Pages("variances", __name__, section="Funds")

PATH = "/console/variances/{id}/"

blp.list(
    "/variances/",
    variances.list_all,
    title="Variances",
    columns=(
        link("number", PATH),
        word("kind"),
        badge("status"),
        money("original_amount", "In the books"),
        money("adjusted_amount", "Really left"),
        money("variance_amount", "Difference"),
        person("initiated_by_id", "Recorded by"),
        when("created_at", "Recorded"),
    ),
    filters=(
        asks("q", "Number, or words of the reason"),
        asks("status"),
        asks("kind"),
        asks("fund_id", "Fund", choices=choices.funds),
        asks("store_id", "Store", choices=choices.stores),
        asks("min_amount", "Differs by at least"),
        asks("max_amount", "Differs by at most"),
        asks("from", "Recorded from"),
        asks("to", "Recorded until"),
        asks("order"),
    ),
    views={"To decide": {"status": "pending"}, "Approved": {"status": "approved"}},
    empty="No variance: the books and the world agree. One is recorded on the page of a payment.",
)
blp.detail(
    "/variances/<key:variance_id>/",
    variances.get,
    title=lambda shown: str(shown["number"]),
    facts=(
        word("kind"),
        money("original_amount", "In the books"),
        money("adjusted_amount", "Really left"),
        money("variance_amount", "Difference"),
        text("reason"),
        link("payment_number", "/console/payments/{payment_id}/", "Payment"),
        text("store_name", "Store"),
        link("open", "/console/accounts/{counter_account_id}/", "Counter account"),
        person("initiated_by_id", "Recorded by"),
        when("created_at", "Recorded"),
        person("decided_by_id", "Decided by"),
        when("decided_at", "Decided"),
        text("decision_reason", "Reason of the decision"),
    ),
    acts=(
        Act(
            operation=variances.approve,
            verb="approve",
            label="Approve",
            done="Approved and posted.",
            fields=(asks("comment", "Comment", is_long=True),),
            tone="primary",
            says="Approval posts the difference, dated today.",
        ),
        Act(
            operation=variances.reject,
            verb="reject",
            label="Reject",
            done="Rejected; nothing is posted.",
            fields=(asks("reason", "Reason", is_long=True),),
            tone="danger",
        ),
    ),
    offers=OFFERS["variance"],
    amount="variance_amount",
    template="variance.html",
)
