"""Releases and what was said with rails, over all payments."""

from pettycash.console import choices
from pettycash.console.columns import badge, flag, link, money, person, text, when, word
from pettycash.console.forms import asks
from pettycash.console.pages import Pages
from pettycash.web.operations.payments import facts, releases

blp = Pages("exchanges", __name__, section="Payments")

PAYMENT = "/console/payments/{payment_id}/"

blp.list(
    "/executions/",
    facts.list_executions,
    title="Releases",
    columns=(
        link("originator_reference", PAYMENT, "Payment by our reference"),
        when("executed_at", "Released"),
        person("executor_id", "By"),
        word("proof"),
        money("amount"),
        badge("state"),
        money("fee"),
        text("provider_reference", "Rail's reference"),
        text("outcome_message", "Outcome"),
    ),
    filters=(
        asks("q", "Our reference or the rail's, whole"),
        asks("state"),
        asks("executor_id", "Released by", choices=choices.people_who(releases.execute)),
        asks("proof"),
        asks("provider_account_id", "Account", choices=choices.rail_accounts),
        asks("outcome_code", "Code of the outcome"),
        asks("ever_unknown", "Once in doubt only"),
        asks("min_amount", "At least"),
        asks("max_amount", "At most"),
        asks("from", "Released from"),
        asks("to", "Released until"),
        asks("order"),
    ),
    empty="Nothing was released in this time.",
)
blp.list(
    "/exchanges/",
    facts.list_gateway_exchanges,
    title="Said with rails",
    columns=(
        when("created_at", "Time"),
        word("gateway", "Rail"),
        word("request_type", "Type"),
        badge("status"),
        flag("success", "Went well"),
        text("code"),
        text("message"),
        text("http_status", "HTTP"),
        text("processing_time_ms", "ms"),
        link("open", PAYMENT, "Payment"),
    ),
    filters=(
        asks("q", "Id of a request"),
        asks("gateway", "Rail"),
        asks("request_type", "Type"),
        asks("success", "Went well only"),
        asks("code"),
        asks("slower_than_ms", "Slower than (ms)"),
        asks("from", "From"),
        asks("to", "Until"),
        asks("order"),
    ),
    empty="Nothing was said with a rail in this time.",
)
