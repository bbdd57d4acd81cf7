"""Files that show how a case ended; who judges it looks at them."""

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView
from werkzeug.datastructures import FileStorage

from pettycash.api.blueprints import Blueprint
from pettycash.api.file_transfer import BYTES, FILE, REFUSED, sent, taken
from pettycash.runtime.db import transaction
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.operations.cases import CaseNotFound, CaseResolved
from pettycash.services.payments.case_resolutions import files
from pettycash.services.payments.case_resolutions.files import CASE_EVIDENCE
from pettycash.services.requisitions import attachments
from pettycash.services.requisitions.attachments import AttachmentNotFound
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.requisition_examples import EXAMPLE_ATTACHMENT
from pettycash.web.schemas.requisitions import AttachmentSchema, AttachmentUploadSchema

blp = Blueprint(
    "case_evidence",
    __name__,
    url_prefix="/api/cases/<uuid:case_id>/evidence",
    description="Files that show how a case ended.",
)

EXAMPLE_EVIDENCE: dict[str, Any] = {
    **EXAMPLE_ATTACHMENT,
    "requisition_id": None,
    "case_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f01",
    "filename": "statement.pdf",
}


@blp.route("/")
class CaseEvidence(MethodView):
    @operation("case_evidence.list")
    @blp.arguments(query_of(CASE_EVIDENCE, without=("case_id",)), location="query")
    @blp.response(200, page_of(AttachmentSchema), example=example_page(EXAMPLE_EVIDENCE))
    @refuses(CaseNotFound)
    def get(self, arguments: dict[str, Any], case_id: UUID) -> ListPage:
        """List a case's evidence, without the bytes."""
        with transaction() as session:
            cases.get(session, case_id=case_id, actor=current_actor())
            return page(Uow.of(session, current_actor()), CASE_EVIDENCE, arguments, case_id=case_id)

    @operation("case_evidence.upload", uploads=True)
    @idempotent()
    @blp.arguments(AttachmentUploadSchema, location="files", example={"file": "%PDF-1.7 …"})
    @blp.response(201, AttachmentSchema, example=EXAMPLE_EVIDENCE)
    @refuses(*REFUSED, CaseNotFound, CaseResolved, NotSeparate)
    @sends("Location")
    def post(
        self, uploaded: dict[str, FileStorage], case_id: UUID
    ) -> tuple[attachments.ShownFile, dict[str, str]]:
        """Upload evidence to a case, as multipart/form-data; who does so never confirms by it."""
        file = taken(uploaded)
        with transaction() as session:
            kept = files.record(Uow.of(session, current_actor()), case_id=case_id, **file)
            session.flush()  # its time is the database's, and the answer shows it
            return files.to_response(kept), {
                "Location": f"/api/cases/{case_id}/evidence/{kept.id}/"
            }


@blp.route("/<uuid:attachment_id>/")
class OnePieceOfEvidence(MethodView):
    @operation("case_evidence.get")
    @blp.response(200, BYTES, **FILE)
    @refuses(AttachmentNotFound, CaseNotFound)
    def get(self, case_id: UUID, attachment_id: UUID) -> Response:
        """Read the bytes of one file, to be saved and not shown in a browser."""
        with transaction() as session:
            case = cases.get(session, case_id=case_id, actor=current_actor())
            found, content = files.read(session, case=case, attachment_id=attachment_id)
        return sent(found, content)
