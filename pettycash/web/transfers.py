"""Files over HTTP: taken in from a form, and given back to be saved."""

import io
from typing import Any

from flask import Response, send_file

from pettycash.models.requisitions import Attachment
from pettycash.services.foundation import images, text_validation
from pettycash.services.requisitions import attachments

BYTES: dict[str, Any] = {"type": "string", "format": "binary"}
FILE: dict[str, Any] = {
    "content_type": "application/octet-stream",
    "description": "The file, under the type that was found in it.",
    "example": "%PDF-1.7 …",
}
"""The answer of an operation that gives a file back, beside its schema `BYTES`."""

REFUSED = (
    attachments.AttachmentTooLarge,
    attachments.DuplicateAttachment,
    attachments.EmptyAttachment,
    attachments.TooManyAttachments,
    attachments.TypeNotAllowed,
    attachments.UploadQuotaUsed,
    images.NotAnImage,
    text_validation.InvalidText,
)
"""Refusals of a file, whatever it belongs to."""


def taken(files: dict[str, Any]) -> dict[str, Any]:
    """Read the field `file` of a form: name and bytes, of one too large no more than shows it.

    What stands beside it stays.
    """
    file = files["file"]
    content = file.stream.read(attachments.SIZE_MAX + 1)
    beside = {name: value for name, value in files.items() if name != "file"}
    return {**beside, "filename": file.filename or "", "content": content}


def sent(file: Attachment, content: bytes) -> Response:
    """Answer with a file, to be saved and not shown in a browser."""
    return send_file(
        io.BytesIO(content),
        mimetype=file.content_type,
        as_attachment=True,
        download_name=file.filename,
    )
