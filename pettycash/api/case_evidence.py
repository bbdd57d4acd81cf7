"""Files that show how a case ended."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.payments import case_evidence

blp = Blueprint(
    "case_evidence",
    __name__,
    url_prefix="/api/cases/<uuid:case_id>/evidence",
    description="Files that show how a case ended.",
)

serve(
    blp,
    "/",
    get=case_evidence.list_all,
    post=case_evidence.upload,
    location="/api/cases/{case_id}/evidence/{id}/",
)
serve(blp, "/<uuid:attachment_id>/", get=case_evidence.get)
