"""Reconciliation runs: read them, start one for a day by hand."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.models.reconciliation import ReconciliationRun
from pettycash.runtime.db import transaction
from pettycash.services import reconciliation
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.reconciliation.runs import RUNS, DayNotOver, RunNotFound
from pettycash.web.admission import current_actor, operation
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.reconciliation import EXAMPLE_RUN, RunRequestSchema, RunSchema

blp = Blueprint(
    "reconciliation",
    __name__,
    url_prefix="/api/reconciliation/runs",
    description="The books against themselves, payments against what the rails proved.",
)


@blp.route("/")
class ReconciliationRuns(MethodView):
    @operation("reconciliation.list")
    @blp.arguments(query_of(RUNS), location="query")
    @blp.response(200, page_of(RunSchema), example=example_page(EXAMPLE_RUN))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List runs, the newest first."""
        with transaction() as session:
            return page(session, RUNS, current_actor(), arguments)

    @operation("reconciliation.start")
    @idempotent()
    @blp.arguments(RunRequestSchema, example={"business_date": "2026-11-20"})
    @blp.response(202, RunSchema, example={**EXAMPLE_RUN, "status": "running", "closed_at": None})
    @refuses(DayNotOver)
    def post(self, body: dict[str, Any]) -> ReconciliationRun:
        """Start the next run of a day, or get the one that is still open.

        Workers advance it; read it again until `status` is `closed`.
        """
        with transaction() as session:
            return reconciliation.start(
                session,
                business_date=body["business_date"],
                now=session.info["now"],
                started_by=current_actor().user_id,
            )


@blp.route("/<uuid:run_id>/")
class OneReconciliationRun(MethodView):
    @operation("reconciliation.get")
    @blp.response(200, RunSchema, example=EXAMPLE_RUN)
    @refuses(RunNotFound)
    def get(self, run_id: UUID) -> ReconciliationRun:
        """Read one run with its counts, totals and mismatches."""
        with transaction() as session:
            return reconciliation.find_run(session, run_id)
