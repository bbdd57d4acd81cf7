"""Files that prove a requisition."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.requisitions import attachments

blp = Blueprint(
    "attachments",
    __name__,
    url_prefix="/api/requisitions/<uuid:requisition_id>/attachments",
    description="PDF, pictures (PNG, JPEG, WebP) and sheets (XLSX, plain CSV), at most 10 MiB, each"
    " once in the company while it proves something.",
)

serve(
    blp,
    "/",
    get=attachments.list_all,
    post=attachments.upload,
    location="/api/requisitions/{requisition_id}/attachments/{id}/",
)
serve(blp, "/<uuid:attachment_id>/", get=attachments.get)
