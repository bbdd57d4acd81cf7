"""Files that show how a case ended; who judges it looks at them."""

from typing import Any
from uuid import UUID

from pettycash.models.requisitions import Attachment
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.operations.cases import CaseNotFound, CaseResolved
from pettycash.services.payments.case_resolutions import files
from pettycash.services.payments.case_resolutions.files import CASE_EVIDENCE
from pettycash.services.requisitions import attachments
from pettycash.services.requisitions.attachments import AttachmentNotFound
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.requisition_examples import EXAMPLE_ATTACHMENT
from pettycash.web.schemas.requisitions import AttachmentSchema, AttachmentUploadSchema
from pettycash.web.transfers import REFUSED

EXAMPLE_EVIDENCE: dict[str, Any] = {
    **EXAMPLE_ATTACHMENT,
    "requisition_id": None,
    "case_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f01",
    "filename": "statement.pdf",
}


@operation(
    "case_evidence.list",
    listing=CASE_EVIDENCE,
    without=("case_id",),
    answers=AttachmentSchema,
    example=EXAMPLE_EVIDENCE,
)
@refuses(CaseNotFound)
def list_all(uow: Uow, /, *, case_id: UUID, **arguments: Any) -> ListPage:
    """List a case's evidence, without the bytes."""
    cases.get(uow.session, case_id=case_id, actor=uow.actor)
    return page(uow, CASE_EVIDENCE, arguments, case_id=case_id)


@operation(
    "case_evidence.upload",
    takes=AttachmentUploadSchema,
    given={"file": "%PDF-1.7 …"},
    uploads=True,
    status=201,
    answers=AttachmentSchema,
    example=EXAMPLE_EVIDENCE,
)
@refuses(*REFUSED, CaseNotFound, CaseResolved, NotSeparate)
def upload(uow: Uow, *, case_id: UUID, filename: str, content: bytes) -> attachments.ShownFile:
    """Upload evidence to a case, as multipart/form-data; who does so never confirms by it."""
    kept = files.record(uow, case_id=case_id, filename=filename, content=content)
    uow.session.flush()  # its time is the database's, and the answer shows it
    return files.to_response(kept)


@operation("case_evidence.get", downloads=True)
@refuses(AttachmentNotFound, CaseNotFound)
def get(uow: Uow, *, case_id: UUID, attachment_id: UUID) -> tuple[Attachment, bytes]:
    """Read the bytes of one file, to be saved and not shown in a browser."""
    case = cases.get(uow.session, case_id=case_id, actor=uow.actor)
    return files.read(uow.session, case=case, attachment_id=attachment_id)
