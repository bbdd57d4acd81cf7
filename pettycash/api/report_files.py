"""Reports and lists as files over HTTP: written whole from one snapshot, then sent."""

import os
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import IO, Any

from flask import Response

from pettycash.runtime import clock
from pettycash.runtime.db import snapshot
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.file_formats import MEDIA_TYPES, FileFormat, PrintFormat
from pettycash.services.foundation.uow import Uow
from pettycash.web import admission, files, headers
from pettycash.web.operations import Operation
from pettycash.web.transfers import BYTES

CHUNK = 64 * 1024


def described(formats: type[FileFormat] | type[PrintFormat] = FileFormat) -> dict[str, Any]:
    """For `Blueprint.doc(**…)`: what a report or list answers beside its JSON."""
    return {
        "responses": {
            HTTPStatus.OK.value: {
                "description": "The answer; where a file is asked for, that, to be saved.",
                "headers": headers.described(),
                "content": {MEDIA_TYPES[each]: {"schema": BYTES} for each in formats},
            }
        }
    }


def answer(
    operation: Operation[..., Any],
    file_format: str,
    sent: Mapping[str, Any],
    path: Mapping[str, Any],
) -> Response:
    """Answer with a file to be saved. No transaction is open while it is sent."""
    with snapshot() as session:
        uow = Uow.of(session, admission.current_actor())
        out = files.written(operation, uow, file_format, sent, path)
        day = clock.business_date(uow.now, company_settings.current(session).timezone)
    name = f"{files.title(operation)}-{day}.{file_format}"
    return send(out, name, file_format)


def send(out: IO[bytes], name: str, file_format: str) -> Response:
    """Send an open file, and close it."""
    facts = {
        "Content-Length": str(out.seek(0, os.SEEK_END)),
        "Content-Disposition": f"attachment; filename={name}",
    }
    return Response(_chunks(out), mimetype=MEDIA_TYPES[file_format], headers=facts)


def _chunks(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        out.seek(0)
        while chunk := out.read(CHUNK):
            yield chunk
