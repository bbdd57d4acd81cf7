"""Runs on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.reports import ReportRunStatus
from pettycash.services.foundation.file_formats import PrintFormat
from pettycash.web.schemas.fields import Choice, Schema, Text, UtcDateTime


class ReportRunSchema(Schema):
    """A report or list as a file that a worker makes."""

    id = ma.fields.UUID(dump_only=True)
    operation = Text(
        required=True,
        longest=64,
        metadata={"description": "What reads it: `cash_book.get`, `payments.list`."},
    )
    parameters = ma.fields.Dict(
        keys=ma.fields.String(),
        load_default=dict,
        metadata={"description": "As the page takes them."},
    )
    format = Choice(PrintFormat, attribute="file_format", required=True)
    status = Choice(ReportRunStatus, dump_only=True)
    rows = ma.fields.Integer(
        dump_only=True, metadata={"description": "Written so far; there is no telling how many."}
    )
    size = ma.fields.Integer(dump_only=True, allow_none=True, metadata={"description": "Bytes."})
    failure = ma.fields.String(
        dump_only=True, allow_none=True, metadata={"description": "The code of what stopped it."}
    )
    created_at = UtcDateTime(dump_only=True)
    finished_at = UtcDateTime(dump_only=True, allow_none=True)
    expires_at = UtcDateTime(
        dump_only=True, allow_none=True, metadata={"description": "When the file goes."}
    )


EXAMPLE_REQUEST: dict[str, Any] = {
    "operation": "payments.list",
    "parameters": {"status": ["success"], "from": "2026-01-01"},
    "format": "xlsx",
}
EXAMPLE_RUN: dict[str, Any] = {
    "id": "01930000-0000-7000-8000-000000000081",
    **EXAMPLE_REQUEST,
    "status": "done",
    "rows": 48210,
    "size": 3120455,
    "failure": None,
    "created_at": "2026-11-20T09:30:00+00:00",
    "finished_at": "2026-11-20T09:30:41+00:00",
    "expires_at": "2026-11-21T09:30:41+00:00",
}
