"""Routes over all domains: what waits for somebody, and what they may do."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.reports import work
from pettycash.web.operations.reports.offers import OFFERS
from pettycash.web.operations.reports.reports import REPORTS as DECLARED

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
