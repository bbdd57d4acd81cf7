"""Routes over all domains: what waits for somebody, what they may do, figures and their files."""

import tempfile
from uuid import UUID

from flask import Response
from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.api.report_files import send
from pettycash.api.routes import serve
from pettycash.runtime.db import snapshot
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.runs import FileNotThere, ReportRunNotFound, RightLost, content
from pettycash.services.reports.runs import get as find
from pettycash.web.admission import current_actor, operation
from pettycash.web.operations.reports import runs, work
from pettycash.web.operations.reports.offers import OFFERS
from pettycash.web.operations.reports.reports import REPORTS as DECLARED
from pettycash.web.refusals import refuses
from pettycash.web.transfers import BYTES, FILE

OFFERED = Blueprint(
    "offers",
    __name__,
    url_prefix="/api",
    description="What one may do now with an object, and why not the rest.",
)
for name, offers in OFFERS.items():
    serve(OFFERED, f"/{name}s/<uuid:{name}_id>/offers/", get=offers)

WORK = Blueprint("work", __name__, url_prefix="/api/work", description="What waits for me.")
serve(WORK, "/", get=work.list_all)

REPORTS = Blueprint(
    "reports",
    __name__,
    url_prefix="/api/reports",
    description="Figures, each with the list whose rows add up to it; as page and as file.",
)
for name, read in DECLARED.items():
    serve(REPORTS, f"/{name}/", get=read)

RUNS = Blueprint(
    "report_runs",
    __name__,
    url_prefix="/api/report-runs",
    description="Files too long to be made at once: a worker makes them, for whoever asked.",
)
serve(RUNS, "/", get=runs.list_all, post=runs.create, location="/api/report-runs/{id}/")
serve(RUNS, "/<uuid:run_id>/", get=runs.get)


@RUNS.route("/<uuid:run_id>/file/")
class RunFile(MethodView):
    @operation("report_runs.file")
    @RUNS.response(200, BYTES, **FILE)
    @refuses(FileNotThere, RightLost, ReportRunNotFound)
    def get(self, run_id: UUID) -> Response:
        """Download the file."""
        out = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, or when it has been sent
        try:
            with snapshot() as session:
                uow = Uow.of(session, current_actor())
                run = find(uow, run_id=run_id)
                for part in content(uow, run):
                    out.write(part)
                name = run.operation.rpartition(".")[0].replace("_", "-")
                file_format = run.file_format
        except BaseException:
            out.close()
            raise
        return send(out, f"{name}.{file_format}", file_format)
