"""Attachments: what a file is, which are taken, and that one receipt is used once."""

import io
import zipfile
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from pettycash.models.requisitions import (
    Attachment,
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import db
from pettycash.services.foundation import images, text_validation, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import attachments
from tests.factories.people import acting, company_id
from tests.factories.pictures import picture
from tests.factories.policies import switch
from tests.factories.requisitions import brought_to, raised
from tests.races import together
from tests.servers import Database

PNG = picture(seed=7)
WORKBOOK = ("[Content_Types].xml", "xl/workbook.xml")


def package(*names: str, size: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"0" * size)
    return buffer.getvalue()


def attach(session: Session, content: bytes, name: str = "receipt.pdf", **more: str) -> Attachment:
    requisition = raised(session, by=more.get("by", "staff"))
    return attachments.attach(
        Uow.of(session, acting(session, more.get("by", "staff"))),
        requisition_id=requisition.id,
        filename=name,
        content=content,
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"%PDF-1.7\n...", attachments.PDF),
        (b"\xef\xbb\xbf\r\n" + b" " * 1014 + b"%PDF-1.4\n...", attachments.PDF),
        (PNG, images.PNG),
        (picture("JPEG"), images.JPEG),
        (picture("WEBP"), images.WEBP),
        (package(*WORKBOOK), attachments.XLSX),
        (b"date,amount\r\n2026-01-01,5.00\r\n", attachments.CSV),
        ("\ufeffname;größe\nÄpfel;3\n".encode(), attachments.CSV),
        (b'a,b\n"x, y",2\n', attachments.CSV),
    ],
    ids=[
        "pdf",
        "pdf after 1019 bytes",
        "png",
        "jpeg",
        "webp",
        "xlsx",
        "csv",
        "csv in unicode",
        "csv with quotes",
    ],
)
def test_the_type_is_found_in_the_content(content: bytes, expected: str) -> None:
    assert attachments.found_type(content) == expected


NOT_TAKEN: list[tuple[bytes, str]] = [
    (b"MZ\x90\x00 program", "is no PDF, picture"),
    (b"<html><script>1</script>,</html>", "is no PDF, picture"),
    (b"  <svg onload='x',>", "is no PDF, picture"),
    (b"#!/bin/sh\nrm a,b", "is no PDF, picture"),
    (b"plain words without any separator", "is no PDF, picture"),
    (b"a,b\x00c", "is no PDF, picture"),
    (b"\xff\xfea\x00,\x00", "UTF-8"),
    (b'{"a": 1, "b": 2}', "is no PDF, picture"),
    (b'a,b\n"unfinished', "no CSV"),
    (b" " * 1020 + b"%PDF-1.7", "is no PDF, picture"),
    (b"GIF89a\x01\x00\x01\x00\x00,", "a GIF"),
    (b"\x00\x00\x00\x18ftypheic\x00", "HEIC"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office document"),
    (b"   \n ", "is no PDF, picture"),
    (b"PK\x03\x04 no archive", "can't be read"),
    (package("word/document.xml", "[Content_Types].xml"), "no XLSX workbook"),
    (package(*WORKBOOK, "xl/vbaProject.bin"), "macros"),
    (package(*WORKBOOK, *(f"{number}.xml" for number in range(2000))), "unpacked"),
    (package(*WORKBOOK, "bomb.xml", size=34 * 1024 * 1024), "unpacked"),
]


@pytest.mark.parametrize(("content", "reason"), NOT_TAKEN, ids=range(len(NOT_TAKEN)))
def test_anything_else_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(attachments.TypeNotAllowed, match=reason):
        attachments.found_type(content)


def test_what_only_begins_like_a_picture_is_refused(session: Session) -> None:
    """Known attack: 24 bytes with the first eight of a PNG were a receipt."""
    with pytest.raises(images.NotAnImage):
        attach(session, b"\x89PNG\r\n\x1a\n" + bytes(16))


@given(st.binary(max_size=300))
def test_any_bytes_are_either_of_a_type_or_refused(content: bytes) -> None:
    try:
        found = attachments.found_type(content)
    except (attachments.TypeNotAllowed, images.NotAnImage):
        return
    assert found in {attachments.PDF, attachments.CSV, attachments.XLSX}


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("receipt.pdf", "receipt.pdf"),
        ("Ng'ang'a \U0001f9fe.pdf", "Ng'ang'a \U0001f9fe.pdf"),
        ("\u2764\ufe0f\u200d\U0001f525.png", "\u2764\ufe0f\u200d\U0001f525.png"),
        ('a"b; %20 & <c>.pdf', 'a"b; %20 & <c>.pdf'),
        ("\u00c4\u0323pfel.csv", "\u00c4\u0323pfel.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\bill.png", "bill.png"),
        ("", "file"),
        ("..", "file"),
        ("x" * 251 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_a_filename_is_kept_as_it_was_given(given_name: str, kept: str) -> None:
    assert attachments.given_filename(given_name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "a\r\nSet-Cookie: x.pdf",
        "fdp.\u202egnp.exe",
        "re\u200bceipt.pdf",
        "a\x00b",
        "\ufe0f.pdf",
        "x" * 252 + ".pdf",
    ],
    ids=ascii,
)
def test_a_filename_that_is_not_wholly_seen_is_refused(name: str) -> None:
    with pytest.raises(text_validation.InvalidText):
        attachments.given_filename(name)


def test_a_file_is_kept_and_read_back(session: Session) -> None:
    attachment = attach(session, PNG, "photo.exe")

    actor = acting(session, "staff")
    row, content = attachments.read(
        Uow.of(session, actor),
        requisition_id=attachment.requisition_id,
        attachment_id=attachment.id,
    )

    assert (row.content_type, row.size, content) == (images.PNG, len(PNG), PNG)
    assert row.uploaded_by == actor.user_id


def test_the_same_bytes_are_taken_once_in_a_company(session: Session) -> None:
    attach(session, PNG)

    with pytest.raises(attachments.DuplicateAttachment):
        attach(session, PNG, "another name.png")
    attach(session, PNG + b"!")


@pytest.mark.parametrize("status", [RequisitionStatus.REJECTED, RequisitionStatus.CANCELLED])
def test_a_receipt_is_free_again_once_its_requisition_ended(
    session: Session, status: RequisitionStatus
) -> None:
    first = attach(session, PNG)
    ended = session.get_one(Requisition, first.requisition_id)
    brought_to(session, ended, status)

    second = attach(session, PNG)

    session.refresh(first)
    assert (first.in_force, second.in_force) == (False, True)
    with pytest.raises(attachments.DuplicateAttachment):
        attach(session, PNG)


def test_who_may_see_the_other_requisition_is_told_its_number(session: Session) -> None:
    first = attach(session, PNG)
    number = session.get_one(Requisition, first.requisition_id).number

    with pytest.raises(attachments.DuplicateAttachment, match=number) as told:
        attach(session, PNG)
    with pytest.raises(attachments.DuplicateAttachment) as untold:
        attach(session, PNG, by="staff_2")

    assert number in told.value.errors["file"][0]
    assert "REQ-" not in untold.value.detail
    assert untold.value.errors == {}


def test_one_person_stores_so_much_in_a_company_day(session: Session) -> None:
    switch(session, upload_mib_per_day=10)
    whole = PNG + bytes(attachments.SIZE_MAX - len(PNG))
    attach(session, whole)

    with pytest.raises(attachments.UploadQuotaUsed) as refusal:
        attach(session, b"%PDF-1")

    assert "At most 10 MiB a day" in refusal.value.detail
    assert 0 < refusal.value.retry_after_seconds <= 24 * 3600
    attach(session, b"%PDF-1", by="staff_2")
    tomorrow = session.info["now"] + timedelta(days=1)
    requisition = raised(session)
    attachments.attach(
        Uow(session, acting(session, "staff"), tomorrow),
        requisition_id=requisition.id,
        filename="x",
        content=b"%PDF-2",
    )


def test_two_uploads_at_once_do_not_both_fit_into_what_is_left(live: Database) -> None:
    def upload(number: int) -> None:
        with db.transaction() as session:
            attach(session, PNG + bytes(6 * attachments.MIB) + bytes([number]))

    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            switch(session, upload_mib_per_day=10)
        results = together([partial(upload, number) for number in range(3)])

    assert sum(each is None for each in results) == 1
    assert [type(each) for each in results if each is not None] == [attachments.UploadQuotaUsed] * 2


def test_size_is_bounded(session: Session) -> None:
    with pytest.raises(attachments.EmptyAttachment):
        attach(session, b"")
    with pytest.raises(attachments.AttachmentTooLarge):
        attach(session, PNG + bytes(attachments.SIZE_MAX))
    attach(session, PNG + bytes(attachments.SIZE_MAX - len(PNG)))


def test_beyond_scope_nothing_is_attached_or_read(session: Session) -> None:
    attachment = attach(session, PNG)
    stranger = acting(session, "staff_2")

    uow = Uow.of(session, stranger)
    with pytest.raises(visibility.RequisitionNotFound):
        attachments.attach(
            uow, requisition_id=attachment.requisition_id, filename="x", content=b"%PDF-"
        )
    with pytest.raises(visibility.RequisitionNotFound):
        attachments.read(uow, requisition_id=attachment.requisition_id, attachment_id=attachment.id)
    with pytest.raises(attachments.AttachmentNotFound):
        attachments.read(
            Uow.of(session, acting(session, "staff")),
            requisition_id=raised(session).id,
            attachment_id=attachment.id,
        )


@pytest.mark.parametrize(
    "status",
    [RequisitionStatus.REJECTED, RequisitionStatus.CANCELLED, RequisitionStatus.REVIEWED],
)
def test_what_is_over_takes_no_more_files(session: Session, status: RequisitionStatus) -> None:
    requisition = raised(session)
    brought_to(session, requisition, status)

    with pytest.raises(IllegalRequisitionState):
        attachments.attach(
            Uow.of(session, acting(session, "staff")),
            requisition_id=requisition.id,
            filename="x",
            content=PNG,
        )


def test_the_number_of_files_is_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "PER_REQUISITION_MAX", 1)
    first = attach(session, PNG)

    with pytest.raises(attachments.TooManyAttachments):
        attachments.attach(
            Uow.of(session, acting(session, "staff")),
            requisition_id=first.requisition_id,
            filename="x",
            content=b"%PDF-1",
        )
