"""Files that prove something: what they are is found in them, never believed from the client.

PDF, pictures that decode (PNG, JPEG, WebP) and sheets (XLSX, plain CSV), at most 10 MiB, kept as
they came; the same bytes once per company while they prove something (security.md row 20).
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.payments import Payment
from pettycash.models.requisitions import (
    Attachment,
    AttachmentContent,
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import clock, db, errors
from pettycash.services.foundation import company_settings, images, text_validation, visibility
from pettycash.services.foundation.listings import Filter, Find, Listing, days, flag
from pettycash.services.foundation.uow import Uow

SIZE_MAX = 10 * 1024 * 1024
PER_REQUISITION_MAX = 50
FILENAME_MAX = 255
PDF_HEADER_WITHIN = 1024
"""Readers take a PDF whose header stands in its first kilobyte, and scanners rely on it."""
MIB = 1024 * 1024
UNPACKED_MAX = 100 * 1024 * 1024
MEMBERS_MAX = 2000
DIGEST_UNIQUE = "uq_attachments_digest"

PDF = "application/pdf"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

KNOWN_BUT_NOT_TAKEN = (
    (0, b"GIF8", "a GIF; send a PNG or a JPEG"),
    (0, b"BM", "a BMP; send a PNG or a JPEG"),
    (0, b"II*\x00", "a TIFF; send a PDF or a JPEG"),
    (0, b"MM\x00*", "a TIFF; send a PDF or a JPEG"),
    (4, b"ftyphei", "a HEIC picture; send a JPEG"),
    (4, b"ftyphev", "a HEIC picture; send a JPEG"),
    (4, b"ftypmif1", "a HEIC picture; send a JPEG"),
    (4, b"ftypavif", "an AVIF picture; send a JPEG"),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document; send an XLSX or a PDF"),
    (0, b"{\\rtf", "an RTF document; send a PDF"),
)
"""Offset, bytes there, and the sentence's end: what people send and can send otherwise."""

R = RequisitionStatus
CLOSED_TO_UPLOADS = frozenset({R.REJECTED, R.CANCELLED, R.REVIEWED})


class AttachmentNotFound(errors.NotFound):
    """There is no such attachment within your scope."""

    code = "attachment.not_found"


class AttachmentTooLarge(errors.PayloadTooLarge):
    """An attachment has at most 10 MiB."""

    code = "attachment.too_large"


class TypeNotAllowed(errors.RuleViolation):
    """The file is no PDF, picture (PNG, JPEG, WebP) or sheet (XLSX, CSV), whatever its name."""

    code = "attachment.type_not_allowed"


class EmptyAttachment(errors.RuleViolation):
    """The file is empty."""

    code = "attachment.empty"


class DuplicateAttachment(errors.Conflict):
    """The same file is attached in this company already: one receipt proves one expense."""

    code = "attachment.duplicate"


class TooManyAttachments(errors.RuleViolation):
    """A requisition has at most 50 attachments."""

    code = "attachment.too_many"


class UploadQuotaUsed(errors.TooManyRequests):
    """You have stored as many bytes as the company lets one person store in a day."""

    code = "attachment.quota_used"


def attach(uow: Uow, *, requisition_id: UUID, filename: str, content: bytes) -> Attachment:
    """Keep a file with a requisition that the actor sees.

    Raises:
        RequisitionNotFound: none such within scope.
        IllegalRequisitionState: it was rejected, cancelled or reviewed.
        EmptyAttachment, AttachmentTooLarge, TypeNotAllowed, NotAnImage, TooManyAttachments: not
            such a file.
        InvalidText: its name can't be shown on a line.
        UploadQuotaUsed: the actor's share of this company day is used up.
        DuplicateAttachment: these bytes are there already.
    """
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    if requisition.status in CLOSED_TO_UPLOADS:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} accepts no more files."
        )
    if len(list_for(uow.session, requisition)) >= PER_REQUISITION_MAX:
        raise TooManyAttachments
    return keep(uow, filename=filename, content=content, requisition_id=requisition.id)


def keep(
    uow: Uow,
    *,
    filename: str,
    content: bytes,
    requisition_id: UUID | None = None,
    payment_id: UUID | None = None,
    case_id: UUID | None = None,
) -> Attachment:
    """Keep a file with the one thing that it proves.

    Raises:
        EmptyAttachment, AttachmentTooLarge, TypeNotAllowed, NotAnImage: not such a file.
        InvalidText: its name can't be shown on a line.
        UploadQuotaUsed: the actor's share of this company day is used up.
        DuplicateAttachment: these bytes are there already.
    """
    session = uow.session
    if not content:
        raise EmptyAttachment
    if len(content) > SIZE_MAX:
        raise AttachmentTooLarge
    _check_quota(uow, size=len(content))
    attachment = Attachment(
        id=new_id(),
        company_id=uow.actor.company_id,
        requisition_id=requisition_id,
        payment_id=payment_id,
        case_id=case_id,
        filename=given_filename(filename),
        content_type=found_type(content),
        size=len(content),
        digest=hashlib.sha256(content).digest(),
        uploaded_by=uow.actor.user_id,
    )
    try:
        with session.begin_nested():
            session.add(attachment)
            session.flush()  # here, as the unique digest decides, and the bytes need their row
    except IntegrityError as error:
        if db.constraint(error) != DIGEST_UNIQUE:
            raise
        raise _duplicate(uow, digest=attachment.digest) from error
    session.add(
        AttachmentContent(
            company_id=attachment.company_id, attachment_id=attachment.id, content=content
        )
    )
    return attachment


@dataclass(frozen=True, kw_only=True)
class ShownFile:
    """A file, and whether it came after the last submission: no approver decided on it."""

    file: Attachment
    is_later: bool

    @property
    def id(self) -> UUID:
        """Of the file."""
        return self.file.id


def to_response(
    session: Session, requisition: Requisition, files: Sequence[Attachment]
) -> list[ShownFile]:
    """Files with their marks."""
    late = later(session, [requisition.id]).get(requisition.id, frozenset())
    return [ShownFile(file=each, is_later=each.id in late) for each in files]


def later(session: Session, requisition_ids: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    """By requisition, the files that came after what was submitted and stands."""
    found: dict[UUID, set[UUID]] = {}
    for requisition_id, attachment_id in session.execute(
        LATER, {"requisition_ids": list(requisition_ids)}
    ):
        found.setdefault(requisition_id, set()).add(attachment_id)
    return {each: frozenset(files) for each, files in found.items()}


LATER = text(
    """
    WITH a AS (
        SELECT requisition_id, id, digest, created_at
        FROM attachments WHERE requisition_id = ANY(:requisition_ids)
        UNION ALL SELECT p.requisition_id, s.id, s.digest, s.created_at
        FROM payments p JOIN attachments s ON s.payment_id = p.id
        WHERE p.requisition_id = ANY(:requisition_ids)
    )
    SELECT a.requisition_id, a.id
    FROM a JOIN requisitions q ON q.id = a.requisition_id
        CROSS JOIN LATERAL (SELECT facts -> 'evidence' AS evidence FROM approval_rounds
            WHERE subject_id = q.id ORDER BY number DESC LIMIT 1) r
    WHERE q.status NOT IN ('draft', 'changes_requested')
        -- A round that was opened before files were facts knows its files by their time alone.
        AND CASE WHEN r.evidence IS NULL THEN a.created_at > q.submitted_at
            ELSE NOT r.evidence ? encode(a.digest, 'hex') END
    """
).execution_options(**db.PREPARED)


def _belongs_to(requisition_id: UUID) -> ColumnElement[bool]:
    of_it = select(Payment.id).where(Payment.requisition_id == requisition_id)
    return or_(Attachment.requisition_id == requisition_id, Attachment.payment_id.in_(of_it))


def _marked(uow: Uow, rows: Sequence[Attachment]) -> list[ShownFile]:
    late = later(uow.session, [each.requisition_id for each in rows if each.requisition_id])
    marked = frozenset().union(*late.values())
    return [ShownFile(file=each, is_later=each.id in marked) for each in rows]


ATTACHMENTS = Listing(
    name="attachments.list",
    query=select(Attachment),
    filters={
        "requisition_id": Filter(kind=UUID, where=lambda value, _uow: _belongs_to(value)),
        "in_force": flag(Attachment.in_force),
        **days(Attachment.created_at),
    },
    find=Find(words=(Attachment.filename,), text="Words of the file's name, in any case."),
    orders={"oldest": (Attachment.id,), "newest": (Attachment.id.desc(),)},
    show=_marked,
)
"""Files of a requisition that the caller has found to be in scope, those signed for its cash among
them; without the bytes."""


def list_for(session: Session, requisition: Requisition) -> list[Attachment]:
    """List the attachments, oldest first."""
    query = (
        select(Attachment)
        .where(Attachment.requisition_id == requisition.id)
        .order_by(Attachment.id)
    )
    return list(session.execute(query).scalars())


def read(uow: Uow, *, requisition_id: UUID, attachment_id: UUID) -> tuple[Attachment, bytes]:
    """One attachment with its bytes.

    Raises:
        RequisitionNotFound: none such within scope.
        AttachmentNotFound: it hangs on no such requisition.
    """
    requisition = visibility.requisition(uow, requisition_id=requisition_id)
    row = uow.session.execute(
        select(Attachment, AttachmentContent.content)
        .join(AttachmentContent, AttachmentContent.attachment_id == Attachment.id)
        .where(Attachment.id == attachment_id, _belongs_to(requisition.id))
    ).one_or_none()
    if row is None:
        raise AttachmentNotFound
    return row[0], row[1]


def given_filename(name: str) -> str:
    """The file's name as it was given, without the folders that some clients put before it.

    Raises:
        InvalidText: too long, or with characters that are not seen.
    """
    last = PurePosixPath(name.replace("\\", "/")).name.strip()
    if last in ("", ".", ".."):
        return "file"
    return text_validation.name(last, field="file", longest=FILENAME_MAX)


def found_type(content: bytes) -> str:
    """Find the type of a file from its bytes.

    Raises:
        NotAnImage: it begins like a picture and does not decode.
        TypeNotAllowed: none of the types that are taken; the detail says why.
    """
    if images.looks_like_one(content):
        return images.check(content)
    for offset, mark, sentence in KNOWN_BUT_NOT_TAKEN:
        if content.startswith(mark, offset):
            raise TypeNotAllowed(f"The file is {sentence}.")
    if content.startswith(b"PK\x03\x04"):
        _check_workbook(content)
        return XLSX
    if b"%PDF-" in content[:PDF_HEADER_WITHIN]:
        return PDF
    _check_csv(content)
    return CSV


def _check_quota(uow: Uow, *, size: int) -> None:
    """Refuse what is beyond the person's share of the company day; two uploads count in turn."""
    policy = company_settings.current(uow.session)
    day = clock.business_date(uow.now, policy.timezone)
    begins, ends = clock.day_bounds(day, policy.timezone)
    uow.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"uploads:{uow.actor.user_id}", 0)))
    )
    stored: int = uow.session.execute(
        select(func.coalesce(func.sum(Attachment.size), 0)).where(
            Attachment.uploaded_by == uow.actor.user_id, Attachment.created_at >= begins
        )
    ).scalar_one()
    if stored + size > policy.upload_mib_per_day * MIB:
        raise UploadQuotaUsed(
            f"At most {policy.upload_mib_per_day} MiB a day; you have stored"
            f" {stored / MIB:.1f} MiB, and this file has {size / MIB:.1f} MiB.",
            retry_after_seconds=max(1, int((ends - uow.now).total_seconds())),
        )


def _duplicate(uow: Uow, *, digest: bytes) -> DuplicateAttachment:
    """The refusal; it names the other requisition to those who may see that."""
    number = uow.session.execute(
        select(Requisition.number)
        .join(Attachment, Attachment.requisition_id == Requisition.id)
        .where(Attachment.digest == digest, Attachment.in_force, visibility.requisitions(uow.actor))
    ).scalar_one_or_none()
    if number is None:
        return DuplicateAttachment()
    sentence = f"{number} has the same file."
    return DuplicateAttachment(sentence, errors={"file": [sentence]})


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
        raise TypeNotAllowed("Workbooks with macros are not accepted.")
    if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > UNPACKED_MAX:
        raise TypeNotAllowed("This workbook is too large when unpacked.")


def _check_csv(content: bytes) -> None:
    """UTF-8 text of lines with a separator, which no browser would take for a document."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TypeNotAllowed(
            "The file is no PDF, picture or sheet; a CSV is text in UTF-8."
        ) from error
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
