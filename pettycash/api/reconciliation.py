"""Routes of the nightly runs."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations import reconciliation

blp = Blueprint(
    "reconciliation",
    __name__,
    url_prefix="/api/reconciliation/runs",
    description="The books against themselves, payments against what the rails proved.",
)

serve(blp, "/", get=reconciliation.list_all, post=reconciliation.start)
serve(blp, "/<uuid:run_id>/", get=reconciliation.get)
