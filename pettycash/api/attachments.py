"""Files that prove a requisition. What they are is found in them."""

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView
from werkzeug.datastructures import FileStorage

from pettycash.api.blueprints import Blueprint
from pettycash.api.file_transfer import BYTES, FILE, REFUSED, sent, taken
from pettycash.models.requisitions import IllegalRequisitionState
from pettycash.runtime.db import transaction
from pettycash.services.foundation import visibility
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import RequisitionNotFound
from pettycash.services.requisitions import attachments
from pettycash.services.requisitions.attachments import ATTACHMENTS, AttachmentNotFound
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.requisition_examples import EXAMPLE_ATTACHMENT
from pettycash.web.schemas.requisitions import AttachmentSchema, AttachmentUploadSchema

blp = Blueprint(
    "attachments",
    __name__,
    url_prefix="/api/requisitions/<uuid:requisition_id>/attachments",
    description="PDF, pictures (PNG, JPEG, WebP) and sheets (XLSX, plain CSV), at most 10 MiB, each"
    " once in the company while it proves something.",
)


@blp.route("/")
class Attachments(MethodView):
    @operation("attachments.list")
    @blp.arguments(query_of(ATTACHMENTS, without=("requisition_id",)), location="query")
    @blp.response(200, page_of(AttachmentSchema), example=example_page(EXAMPLE_ATTACHMENT))
    @refuses(RequisitionNotFound)
    def get(self, arguments: dict[str, Any], requisition_id: UUID) -> ListPage:
        """List what is attached, without the bytes."""
        with transaction() as session:
            uow = Uow.of(session, current_actor())
            visibility.requisition(uow, requisition_id=requisition_id)
            return page(uow, ATTACHMENTS, arguments | {"requisition_id": requisition_id})

    @operation("attachments.upload", uploads=True)
    @idempotent()
    @blp.arguments(AttachmentUploadSchema, location="files", example={"file": "%PDF-1.7 …"})
    @blp.response(201, AttachmentSchema, example=EXAMPLE_ATTACHMENT)
    @refuses(*REFUSED, IllegalRequisitionState, RequisitionNotFound)
    @sends("Location")
    def post(
        self, files: dict[str, FileStorage], requisition_id: UUID
    ) -> tuple[attachments.ShownFile, dict[str, str]]:
        """Attach a file, sent as multipart/form-data in the field `file`.

        One that comes after submit is marked as later: no approval is about it.
        """
        file = taken(files)
        actor = current_actor()
        with transaction() as session:
            uow = Uow.of(session, actor)
            kept = attachments.attach(uow, requisition_id=requisition_id, **file)
            session.flush()  # its time is the database's, and the answer shows it
            of = visibility.requisition(uow, requisition_id=requisition_id)
            (told,) = attachments.to_response(session, of, [kept])
            where = f"/api/requisitions/{requisition_id}/attachments/{kept.id}/"
            return told, {"Location": where}


@blp.route("/<uuid:attachment_id>/")
class OneAttachment(MethodView):
    @operation("attachments.get")
    @blp.response(200, BYTES, **FILE)
    @refuses(AttachmentNotFound, RequisitionNotFound)
    def get(self, requisition_id: UUID, attachment_id: UUID) -> Response:
        """Read the bytes of one file, to be saved and not shown in a browser."""
        with transaction() as session:
            found, content = attachments.read(
                Uow.of(session, current_actor()),
                requisition_id=requisition_id,
                attachment_id=attachment_id,
            )
        return sent(found, content)
