"""Routes of requisitions."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.requisitions import decisions, requisitions

REQUISITIONS = Blueprint(
    "requisitions",
    __name__,
    url_prefix="/api/requisitions",
    description="Requests to spend, from a draft to a reviewed payment.",
)
serve(
    REQUISITIONS,
    "/",
    get=requisitions.list_all,
    post=requisitions.create,
    location="/api/requisitions/{id}/",
)
serve(REQUISITIONS, "/<key:requisition_id>/", get=requisitions.get, patch=requisitions.update)
serve(REQUISITIONS, "/<uuid:requisition_id>/submit/", post=requisitions.submit)
serve(REQUISITIONS, "/<uuid:requisition_id>/recall/", post=requisitions.recall)
serve(REQUISITIONS, "/<uuid:requisition_id>/cancel/", post=requisitions.cancel)
serve(REQUISITIONS, "/<uuid:requisition_id>/adopt/", post=requisitions.adopt)
serve(REQUISITIONS, "/<uuid:requisition_id>/trail/", get=requisitions.trail)

DECISIONS = Blueprint(
    "requisition-decisions",
    __name__,
    url_prefix="/api/requisitions",
    description="What others decide about a requisition. Every decision sends back the"
    " `decision_digest` of what was read.",
)
serve(DECISIONS, "/<uuid:requisition_id>/approve/", post=decisions.approve)
serve(DECISIONS, "/<uuid:requisition_id>/reject/", post=decisions.reject)
serve(DECISIONS, "/<uuid:requisition_id>/request_changes/", post=decisions.request_changes)
serve(DECISIONS, "/<uuid:requisition_id>/confirm_urgency/", post=decisions.confirm_urgency)
serve(DECISIONS, "/<uuid:requisition_id>/validate/", post=decisions.validate)
serve(DECISIONS, "/<uuid:requisition_id>/return/", post=decisions.return_to_requester)
serve(DECISIONS, "/<uuid:requisition_id>/hold/", post=decisions.hold)
serve(DECISIONS, "/<uuid:requisition_id>/close_short/", post=decisions.close_short)
serve(DECISIONS, "/<uuid:requisition_id>/review/", post=decisions.review)
