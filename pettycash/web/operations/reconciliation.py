"""Reconciliation runs: read them, start one for a day by hand."""

from datetime import date

from pettycash.models.reconciliation import ReconciliationRun
from pettycash.services import reconciliation
from pettycash.services.foundation.uow import Uow
from pettycash.services.reconciliation.runs import RUNS, DayNotOver
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import reconciliation as shapes

list_all = list_of(
    "reconciliation.list",
    RUNS,
    "List runs, the newest first.",
    answers=shapes.RunSchema,
    example=shapes.EXAMPLE_RUN,
)


@operation(
    "reconciliation.start",
    takes=shapes.RunRequestSchema,
    given={"business_date": "2026-11-20"},
    status=202,
    answers=shapes.RunSchema,
    example={**shapes.EXAMPLE_RUN, "status": "running", "closed_at": None},
)
@refuses(DayNotOver)
def start(uow: Uow, *, business_date: date) -> ReconciliationRun:
    """Start the next run of a day, or get the one that is still open.

    Workers advance it; read it again until `status` is `closed`.
    """
    return reconciliation.start(
        uow.session, business_date=business_date, now=uow.now, started_by=uow.actor.user_id
    )


get = one_of(
    "reconciliation.get",
    RUNS,
    reconciliation.RunNotFound,
    "Read one run with its counts, totals and mismatches.",
    answers=shapes.RunSchema,
    example=shapes.EXAMPLE_RUN,
)
