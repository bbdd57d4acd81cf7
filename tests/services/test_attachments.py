"""Attachments: what a file is, which are taken, and that one receipt is used once."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from pettycash.models.requisitions import Attachment, IllegalRequisitionState, RequisitionStatus
from pettycash.services import attachments, visibility
from tests.factories.people import acting
from tests.factories.requisitions import brought_to, raised

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
WORKBOOK = ("[Content_Types].xml", "xl/workbook.xml")


def package(*names: str, size: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"0" * size)
    return buffer.getvalue()


def attach(session: Session, content: bytes, name: str = "receipt.pdf", **more: str) -> Attachment:
    requisition = raised(session)
    return attachments.attach(
        session,
        requisition_id=requisition.id,
        filename=name,
        content=content,
        actor=acting(session, more.get("by", "staff")),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"%PDF-1.7\n...", attachments.PDF),
        (PNG, attachments.PNG),
        (b"\xff\xd8\xff\xe0picture", attachments.JPEG),
        (package(*WORKBOOK), attachments.XLSX),
        (b"date,amount\r\n2026-01-01,5.00\r\n", attachments.CSV),
        ("\ufeffname;größe\nÄpfel;3\n".encode(), attachments.CSV),
        (b'a,b\n"x, y",2\n', attachments.CSV),
    ],
    ids=["pdf", "png", "jpeg", "xlsx", "csv", "csv in unicode", "csv with quotes"],
)
def test_the_type_is_found_in_the_content(content: bytes, expected: str) -> None:
    assert attachments.found_type(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\x00 program",
        b"<html><script>1</script>,</html>",
        b"  <svg onload='x',>",
        b"#!/bin/sh\nrm a,b",
        b"plain words without any separator",
        b"a,b\x00c",
        b"\xff\xfea\x00,\x00",
        b'{"a": 1, "b": 2}',
        b'a,b\n"unfinished',
        b"GIF89a\x01\x00\x01\x00\x00,",
        b"   \n ",
        b"PK\x03\x04 no archive",
        package("word/document.xml", "[Content_Types].xml"),
        package(*WORKBOOK, "xl/vbaProject.bin"),
        package(*WORKBOOK, *(f"{number}.xml" for number in range(2000))),
        package(*WORKBOOK, "bomb.xml", size=34 * 1024 * 1024),
    ],
    ids=range(16),
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(attachments.TypeNotAllowed):
        attachments.found_type(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_either_of_a_type_or_refused(content: bytes) -> None:
    try:
        found = attachments.found_type(content)
    except attachments.TypeNotAllowed:
        return
    assert found in {
        attachments.PDF,
        attachments.PNG,
        attachments.JPEG,
        attachments.CSV,
        attachments.XLSX,
    }


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("receipt.pdf", "receipt.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\bill.png", "bill.png"),
        ('a"b\r\nSet-Cookie: x.pdf', "a_b__Set-Cookie_ x.pdf"),
        ("", "file"),
        ("...", "file"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_a_filename_is_a_name_and_nothing_else(given_name: str, kept: str) -> None:
    assert attachments.plain_filename(given_name) == kept


def test_a_file_is_kept_and_read_back(session: Session) -> None:
    attachment = attach(session, PNG, "photo.exe")

    actor = acting(session, "staff")
    row, content = attachments.read(
        session,
        requisition_id=attachment.requisition_id,
        attachment_id=attachment.id,
        actor=actor,
    )

    assert (row.content_type, row.size, content) == (attachments.PNG, len(PNG), PNG)
    assert row.uploaded_by == actor.user_id


def test_the_same_bytes_are_taken_once_in_a_company(session: Session) -> None:
    attach(session, PNG)

    with pytest.raises(attachments.DuplicateAttachment):
        attach(session, PNG, "another name.png")
    attach(session, PNG + b"!")


def test_size_is_bounded(session: Session) -> None:
    with pytest.raises(attachments.EmptyAttachment):
        attach(session, b"")
    with pytest.raises(attachments.AttachmentTooLarge):
        attach(session, PNG + bytes(attachments.SIZE_MAX))
    attach(session, PNG + bytes(attachments.SIZE_MAX - len(PNG)))


def test_beyond_scope_nothing_is_attached_or_read(session: Session) -> None:
    attachment = attach(session, PNG)
    stranger = acting(session, "staff_2")

    with pytest.raises(visibility.RequisitionNotFound):
        attachments.attach(
            session,
            requisition_id=attachment.requisition_id,
            filename="x",
            content=b"%PDF-",
            actor=stranger,
        )
    with pytest.raises(visibility.RequisitionNotFound):
        attachments.read(
            session,
            requisition_id=attachment.requisition_id,
            attachment_id=attachment.id,
            actor=stranger,
        )
    with pytest.raises(attachments.AttachmentNotFound):
        attachments.read(
            session,
            requisition_id=raised(session).id,
            attachment_id=attachment.id,
            actor=acting(session, "staff"),
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
            session,
            requisition_id=requisition.id,
            filename="x",
            content=PNG,
            actor=acting(session, "staff"),
        )


def test_the_number_of_files_is_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "PER_REQUISITION_MAX", 1)
    first = attach(session, PNG)

    with pytest.raises(attachments.TooManyAttachments):
        attachments.attach(
            session,
            requisition_id=first.requisition_id,
            filename="x",
            content=b"%PDF-1",
            actor=acting(session, "staff"),
        )
