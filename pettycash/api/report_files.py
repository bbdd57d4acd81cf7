"""A report as a file over HTTP: written whole from one snapshot, then sent."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import IO, Any

from flask import Response

from pettycash.runtime import clock
from pettycash.runtime.db import snapshot
from pettycash.services import reports
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.file_formats import MEDIA_TYPES, FileFormat
from pettycash.services.reports import Report
from pettycash.web import headers
from pettycash.web.files import BYTES

FILES: dict[str, Any] = {
    "responses": {
        HTTPStatus.OK.value: {
            "description": "The answer; where a file is asked for, that, to be saved.",
            "headers": headers.described(),
            "content": {media_type: {"schema": BYTES} for media_type in MEDIA_TYPES.values()},
        }
    }
}
"""For `Blueprint.doc(**FILES)`: what a report answers beside its JSON."""

CHUNK = 64 * 1024


def report_file(report: Report, values: Mapping[str, Any], file_format: FileFormat) -> Response:
    """Answer with a report to be saved. No transaction is open while it is sent."""
    out = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, or when it has been sent
    try:
        with snapshot() as session:
            reports.write(session, report, values, file_format, out)
            zone = company_settings.current(session).timezone
            day = clock.business_date(session.info["now"], zone)
    except BaseException:
        out.close()
        raise
    name = f"{report.name}-{day}.{file_format}"
    sent = {
        "Content-Length": str(out.seek(0, os.SEEK_END)),
        "Content-Disposition": f"attachment; filename={name}",
    }
    return Response(_chunks(out), mimetype=MEDIA_TYPES[file_format], headers=sent)


def _chunks(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        out.seek(0)
        while chunk := out.read(CHUNK):
            yield chunk
