"""Reconciliation: a run of a day compares payments, rails and books; what differs is a case."""

from pettycash.console.acts import Act
from pettycash.console.columns import badge, day, members, person, text, when
from pettycash.console.forms import asks
from pettycash.console.pages import Pages
from pettycash.console.words import day as in_words
from pettycash.web.operations import reconciliation

blp = Pages("reconciliation", __name__, section="Reconciliation")

PATH = "/console/reconciliation/{id}/"

START = Act(
    operation=reconciliation.start,
    verb="new",
    label="Start a run",
    done="Started. Workers advance it; open it again in a minute.",
    fields=(asks("business_date", "Day", "Today at the latest; the newest run of a day counts."),),
    says="A run that is still open for that day goes on instead.",
    to=PATH,
)

blp.list(
    "/reconciliation/",
    reconciliation.list_all,
    title="Reconciliation runs",
    columns=(
        day("business_date", "Day", to=PATH),
        text("sequence", "Run"),
        badge("status"),
        text("counts.matched", "Matched"),
        text("counts.broken", "Differ"),
        text("counts.book_findings", "In the books"),
        when("closed_at", "Ended"),
    ),
    filters=(
        asks("status"),
        asks("from", "Days from"),
        asks("to", "Days until"),
    ),
    empty="No run yet. One starts by itself each night; you may start one for a day.",
    new="/console/reconciliation/new/",
    new_operation=reconciliation.start,
)
blp.form("/reconciliation/new/", START, title="Start a reconciliation run")
blp.detail(
    "/reconciliation/<uuid:run_id>/",
    reconciliation.get,
    title=lambda shown: f"{in_words(shown['business_date'])}, run {shown['sequence']}",
    facts=(
        when("created_at", "Started"),
        person("started_by_id", "Started by"),
        when("deadline_at", "Ends at the latest"),
        when("closed_at", "Ended"),
        members("totals", "Settled that day"),
        members("counts", "Counts"),
    ),
    made_by=START,
    template="operations/run.html",
)
