"""Files that prove a requisition. What they are is found in them."""

from typing import Any
from uuid import UUID

from pettycash.models.requisitions import Attachment, IllegalRequisitionState
from pettycash.services.foundation import visibility
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import RequisitionNotFound
from pettycash.services.requisitions import attachments
from pettycash.services.requisitions.attachments import ATTACHMENTS, AttachmentNotFound
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.requisition_examples import EXAMPLE_ATTACHMENT
from pettycash.web.schemas.requisitions import AttachmentSchema, AttachmentUploadSchema
from pettycash.web.transfers import REFUSED


@operation(
    "attachments.list",
    listing=ATTACHMENTS,
    without=("requisition_id",),
    answers=AttachmentSchema,
    example=EXAMPLE_ATTACHMENT,
)
@refuses(RequisitionNotFound)
def list_all(uow: Uow, /, *, requisition_id: UUID, **arguments: Any) -> ListPage:
    """List what is attached, without the bytes."""
    visibility.requisition(uow, requisition_id=requisition_id)
    return page(uow, ATTACHMENTS, arguments, requisition_id=requisition_id)


@operation(
    "attachments.upload",
    takes=AttachmentUploadSchema,
    given={"file": "%PDF-1.7 …"},
    uploads=True,
    status=201,
    answers=AttachmentSchema,
    example=EXAMPLE_ATTACHMENT,
)
@refuses(*REFUSED, IllegalRequisitionState, RequisitionNotFound)
def upload(
    uow: Uow, *, requisition_id: UUID, filename: str, content: bytes
) -> attachments.ShownFile:
    """Attach a file, sent as multipart/form-data in the field `file`.

    One that comes after submit is marked as later: no approval is about it.
    """
    kept = attachments.attach(
        uow, requisition_id=requisition_id, filename=filename, content=content
    )
    uow.session.flush()  # its time is the database's, and the answer shows it
    of = visibility.requisition(uow, requisition_id=requisition_id)
    (told,) = attachments.to_response(uow.session, of, [kept])
    return told


@operation("attachments.get", downloads=True)
@refuses(AttachmentNotFound, RequisitionNotFound)
def get(uow: Uow, *, requisition_id: UUID, attachment_id: UUID) -> tuple[Attachment, bytes]:
    """Read the bytes of one file, to be saved and not shown in a browser."""
    return attachments.read(uow, requisition_id=requisition_id, attachment_id=attachment_id)
