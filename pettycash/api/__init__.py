"""HTTP in, operations out. A module has the routes of a domain:

    VARIANCES = Blueprint("variances", __name__, url_prefix="/api", description="…")
    serve(VARIANCES, "/variances/<uuid:variance_id>/approve/", post=variances.approve)

An operation stands in `pettycash.web.operations`. What is none is a view: an upload or download,
signing in, what a rail calls.

    @blp.route("/<uuid:requisition_id>/attachments/")
    class Attachments(MethodView):
        @operation("attachments.create", uploads=True)  # outermost: admits, documents, limits, logs
        @idempotent()                                   # where a POST may or must carry a key
        @blp.arguments(UploadSchema, location="files")
        @blp.response(201, AttachmentSchema, example={…})
        @refuses(RequisitionNotFound, …)                # what its services raise; in any order
        @sends("Location")
        def post(self, body, requisition_id):
            with transaction() as session: …

`pettycash.app` finds every blueprint here; there is no list to edit. A view reads one body schema
and one query schema at most; what neither names is refused.
"""
