"""Routes of approvals: the thresholds, and what waits for somebody."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.approvals import inbox, thresholds

INBOX = Blueprint(
    "approvals", __name__, url_prefix="/api/approvals", description="What waits for my decision."
)
serve(INBOX, "/", get=inbox.list_all)

THRESHOLDS = Blueprint(
    "thresholds",
    __name__,
    url_prefix="/api/thresholds",
    description="Which roles approve which amounts.",
)
serve(
    THRESHOLDS, "/", get=thresholds.list_all, post=thresholds.draft, location="/api/changes/{id}/"
)
serve(THRESHOLDS, "/coverage/", get=thresholds.coverage)
serve(THRESHOLDS, "/<uuid:threshold_id>/", get=thresholds.get)
serve(
    THRESHOLDS,
    "/<uuid:threshold_id>/retire/",
    post=thresholds.retire,
    location="/api/changes/{id}/",
)
