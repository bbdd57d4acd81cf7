"""Files that show how a case ended: kept with the case, by somebody who has no part in the money.

Who recorded a file may propose what it shows, and never is the one who confirms (control.md §1).
"""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseStatus
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Attachment, AttachmentContent
from pettycash.services.foundation import duties
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.listings import Find, Listing, days, exact
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.requisitions import attachments

PER_CASE_MAX = 50


def record(uow: Uow, *, case_id: UUID, filename: str, content: bytes) -> Attachment:
    """Keep a file with an open case.

    Raises:
        CaseNotFound, CaseResolved: there is no such open case.
        NotSeparate: the case is about money that the actor raised or gets.
        TooManyAttachments: it has as many as it takes.
        and what `attachments.keep` refuses.
    """
    session = uow.session
    case = cases.get(session, case_id=case_id, actor=uow.actor)
    if case.status is CaseStatus.RESOLVED:
        raise cases.CaseResolved
    payment = session.get(Payment, case.object_id) if case.object_type == "payment" else None
    if payment is not None:
        duties.check(
            session,
            user_id=uow.actor.user_id,
            duty=Duty.RECORDER,
            requisition_id=payment.requisition_id,
        )
    kept = select(Attachment.id).where(Attachment.case_id == case_id)
    if len(session.execute(kept).scalars().all()) >= PER_CASE_MAX:
        raise attachments.TooManyAttachments(f"A case has at most {PER_CASE_MAX} files.")
    return attachments.keep(uow, filename=filename, content=content, case_id=case.id)


def to_response(file: Attachment) -> attachments.ShownFile:
    """A file with its mark: no approval was about what shows how a case ended."""
    return attachments.ShownFile(file=file, is_later=True)


CASE_EVIDENCE = Listing(
    name="case_evidence.list",
    query=select(Attachment),
    filters={"case_id": exact(Attachment.case_id), **days(Attachment.created_at)},
    find=Find(words=(Attachment.filename,), text="Words of the file's name, in any case."),
    orders={"oldest": (Attachment.id,), "newest": (Attachment.id.desc(),)},
    show=lambda _reader, rows: [to_response(each) for each in rows],
)
"""Of a case that the caller has found to be in scope; without the bytes."""


def read(session: Session, *, case: Case, attachment_id: UUID) -> tuple[Attachment, bytes]:
    """One file of a case with its bytes.

    Raises:
        AttachmentNotFound: the case has no such file.
    """
    row = session.execute(
        select(Attachment, AttachmentContent.content)
        .join(AttachmentContent, AttachmentContent.attachment_id == Attachment.id)
        .where(Attachment.id == attachment_id, Attachment.case_id == case.id)
    ).one_or_none()
    if row is None:
        raise attachments.AttachmentNotFound
    return row[0], row[1]
