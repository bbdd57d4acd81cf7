"""HTTP in, services out. How a view is written here:

    blp = Blueprint("requisitions", __name__, url_prefix="/api/requisitions", description="…")

    @blp.route("/<uuid:requisition_id>/approve/")
    class RequisitionApproval(MethodView):
        @operation("requisitions.approve")          # outermost: admits, documents, limits, logs
        @idempotent()                               # where a POST may or must carry a key
        @blp.arguments(DecisionSchema, example={…})
        @blp.response(200, RequisitionSchema, example={…})
        @refuses(RequisitionNotFound, …)            # what its services raise; in any order
        @sends("ETag")
        def post(self, body, requisition_id):
            with transaction() as session: …

`Blueprint` comes from `pettycash.api.blueprints`, the rest from `pettycash.web`: `operation` and
`current_actor` from `admission`, `idempotent` from `idempotency`, `query_of` and `page_of` from `pages`, `page` from
`services.foundation.listings`, `check_etag` and `set_etag` from `etags`, `refuses` from `refusals`,
`sends` from `headers`, `Schema` and the fields from `schemas.fields`. `pettycash.app` finds every
module here that has a `blp`, packages included; there is no list to edit. A view reads one body
schema and one query schema at most (that of a list is made of its `Listing`); what neither names is
refused.
"""
