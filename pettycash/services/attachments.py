"""Files that prove something: what they are is found in them, never believed from the client.

PDF, PNG, JPEG, plain CSV and XLSX, at most 10 MiB; the same bytes once per company (security.md
row 20).
"""

import csv
import hashlib
import io
import re
import zipfile
from pathlib import PurePosixPath
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.base import new_id
from pettycash.models.payments import Payment
from pettycash.models.requisitions import (
    Attachment,
    AttachmentContent,
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.services import visibility
from pettycash.services.actors import Actor

SIZE_MAX = 10 * 1024 * 1024
PER_REQUISITION_MAX = 50
FILENAME_MAX = 200
UNPACKED_MAX = 100 * 1024 * 1024
MEMBERS_MAX = 2000
DIGEST_UNIQUE = "uq_attachments_company_id_digest"

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

R = RequisitionStatus
CLOSED_TO_UPLOADS = frozenset({R.REJECTED, R.CANCELLED, R.REVIEWED})


class AttachmentNotFound(errors.NotFound):
    """There is no such attachment within your scope."""

    code = "attachment.not_found"


class AttachmentTooLarge(errors.PayloadTooLarge):
    """An attachment has at most 10 MiB."""

    code = "attachment.too_large"


class TypeNotAllowed(errors.RuleViolation):
    """The file is none of PDF, PNG, JPEG, plain CSV and XLSX, whatever it calls itself."""

    code = "attachment.type_not_allowed"


class EmptyAttachment(errors.RuleViolation):
    """The file is empty."""

    code = "attachment.empty"


class DuplicateAttachment(errors.Conflict):
    """The same file was attached in this company already: one receipt proves one expense."""

    code = "attachment.duplicate"


class TooManyAttachments(errors.RuleViolation):
    """A requisition has at most 50 attachments."""

    code = "attachment.too_many"


def attach(
    session: Session,
    *,
    requisition_id: UUID,
    filename: str,
    content: bytes,
    actor: Actor,
) -> Attachment:
    """Keep a file with a requisition that the actor sees.

    Raises:
        RequisitionNotFound: none such within scope.
        IllegalRequisitionState: it was rejected, cancelled or reviewed.
        EmptyAttachment, AttachmentTooLarge, TypeNotAllowed, TooManyAttachments: not such a file.
        DuplicateAttachment: these bytes are there already.
    """
    requisition = visibility.requisition(
        session, actor=actor, requisition_id=requisition_id, lock=True
    )
    if requisition.status in CLOSED_TO_UPLOADS:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} takes no more files."
        )
    if len(list_for(session, requisition)) >= PER_REQUISITION_MAX:
        raise TooManyAttachments
    return keep(
        session, filename=filename, content=content, actor=actor, requisition_id=requisition.id
    )


def keep(
    session: Session,
    *,
    filename: str,
    content: bytes,
    actor: Actor,
    requisition_id: UUID | None = None,
    payment_id: UUID | None = None,
    case_id: UUID | None = None,
) -> Attachment:
    """Keep a file with the one thing that it proves.

    Raises:
        EmptyAttachment, AttachmentTooLarge, TypeNotAllowed: not such a file.
        DuplicateAttachment: these bytes are there already.
    """
    if not content:
        raise EmptyAttachment
    if len(content) > SIZE_MAX:
        raise AttachmentTooLarge
    attachment = Attachment(
        id=new_id(),
        company_id=actor.company_id,
        requisition_id=requisition_id,
        payment_id=payment_id,
        case_id=case_id,
        filename=plain_filename(filename),
        content_type=found_type(content),
        size=len(content),
        digest=hashlib.sha256(content).digest(),
        uploaded_by=actor.user_id,
    )
    try:
        with session.begin_nested():
            session.add(attachment)
            session.flush()  # here, as the unique digest decides, and the bytes need their row
    except IntegrityError as error:
        if db.constraint(error) != DIGEST_UNIQUE:
            raise
        raise DuplicateAttachment from error
    session.add(
        AttachmentContent(
            company_id=attachment.company_id, attachment_id=attachment.id, content=content
        )
    )
    return attachment


def of_requisition(requisition_id: UUID) -> Select[Attachment]:
    """Select what is attached, without the bytes, and what was signed for its cash."""
    return select(Attachment).where(_belongs_to(requisition_id))


def _belongs_to(requisition_id: UUID) -> ColumnElement[bool]:
    of_it = select(Payment.id).where(Payment.requisition_id == requisition_id)
    return or_(Attachment.requisition_id == requisition_id, Attachment.payment_id.in_(of_it))


def list_for(session: Session, requisition: Requisition) -> list[Attachment]:
    """What is attached, oldest first."""
    query = (
        select(Attachment)
        .where(Attachment.requisition_id == requisition.id)
        .order_by(Attachment.id)
    )
    return list(session.execute(query).scalars())


def read(
    session: Session, *, requisition_id: UUID, attachment_id: UUID, actor: Actor
) -> tuple[Attachment, bytes]:
    """One attachment with its bytes.

    Raises:
        RequisitionNotFound: none such within scope.
        AttachmentNotFound: it hangs on no such requisition.
    """
    requisition = visibility.requisition(session, actor=actor, requisition_id=requisition_id)
    row = session.execute(
        select(Attachment, AttachmentContent.content)
        .join(AttachmentContent, AttachmentContent.attachment_id == Attachment.id)
        .where(Attachment.id == attachment_id, _belongs_to(requisition.id))
    ).one_or_none()
    if row is None:
        raise AttachmentNotFound
    return row[0], row[1]


def plain_filename(name: str) -> str:
    """The last part of a path, without characters that mean something to a header or a shell."""
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = re.sub(r"[^\w .()+-]", "_", last).strip(" .")[-FILENAME_MAX:]
    return plain or "file"


def found_type(content: bytes) -> str:
    """What a file is, from its bytes.

    Raises:
        TypeNotAllowed: none of the five types.
    """
    if content.startswith(b"%PDF-"):
        return PDF
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG
    if content.startswith(b"PK\x03\x04"):
        _check_workbook(content)
        return XLSX
    _check_csv(content)
    return CSV


def _check_workbook(content: bytes) -> None:
    """A spreadsheet without macros that unpacks to a bounded size; nothing is unpacked here."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            members = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise TypeNotAllowed("This archive can't be read.") from error
    names = {member.filename for member in members}
    if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
        raise TypeNotAllowed("This archive is no XLSX workbook.")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise TypeNotAllowed("Workbooks with macros are not taken.")
    if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > UNPACKED_MAX:
        raise TypeNotAllowed("This workbook unpacks to more than is taken.")


def _check_csv(content: bytes) -> None:
    """UTF-8 text of lines with a separator, which no browser would take for a document."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TypeNotAllowed from error
    if any(character < " " and character not in "\t\r\n" for character in text):
        raise TypeNotAllowed
    if text.lstrip().startswith(("<", "{", "[", "#!", "%!")):
        raise TypeNotAllowed
    first = text.lstrip().splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    if separator not in first:
        raise TypeNotAllowed
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            pass
    except csv.Error as error:
        raise TypeNotAllowed("This text is no CSV.") from error
