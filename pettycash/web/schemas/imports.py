"""Imports on the wire."""

from typing import Any

import marshmallow as ma
from flask_smorest.fields import Upload

from pettycash.services.foundation.file_formats import FileFormat
from pettycash.web.schemas.fields import Choice, Schema, Text


class TemplateQuery(Schema):
    """In which format."""

    format = Choice(FileFormat, load_default=FileFormat.XLSX)


class SheetSchema(Schema):
    """The file, CSV or XLSX, whatever its name."""

    file = Upload(required=True)


class ImportProposalSchema(SheetSchema):
    """The file that was checked, and why it is proposed."""

    digest = ma.fields.String(
        required=True,
        validate=ma.validate.Regexp(r"^[0-9a-fA-F]{64}$"),
        metadata={"description": "`digest` of the dry run."},
    )
    reason = Text(shortest=1, longest=1000, required=True)


class ImportCountSchema(Schema):
    """The outcomes of the rows of one kind."""

    kind = ma.fields.String(dump_only=True)
    created = ma.fields.Integer(dump_only=True)
    updated = ma.fields.Integer(dump_only=True)
    unchanged = ma.fields.Integer(dump_only=True)


class ImportUpdateSchema(Schema):
    """A row that changes what is there."""

    row = ma.fields.Integer(dump_only=True)
    kind = ma.fields.String(dump_only=True)
    changed = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.List(ma.fields.String(allow_none=True)),
        dump_only=True,
        metadata={"description": "By field, the old value and the new one."},
    )


class ImportErrorSchema(Schema):
    """An error of a row."""

    row = ma.fields.Integer(
        dump_only=True, metadata={"description": "As a spreadsheet numbers it: the titles are 1."}
    )
    column = ma.fields.String(
        dump_only=True, allow_none=True, metadata={"description": "Null: the row as a whole."}
    )
    code = ma.fields.String(dump_only=True)
    message = ma.fields.String(dump_only=True)


class ImportRunSchema(Schema):
    """A dry run: nothing was written."""

    file_digest = ma.fields.String(
        dump_only=True, metadata={"description": "SHA-256 of the file, in hexadecimal digits."}
    )
    digest = ma.fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "To propose exactly this with; null where rows are wrong."},
    )
    counts = ma.fields.List(ma.fields.Nested(ImportCountSchema), dump_only=True)
    updates = ma.fields.List(ma.fields.Nested(ImportUpdateSchema), dump_only=True)
    errors = ma.fields.List(ma.fields.Nested(ImportErrorSchema), dump_only=True)


EXAMPLE_SHEET: dict[str, Any] = {"file": "Kind,Code,Name\r\nregion,LAKE,Lake region\r\n"}
EXAMPLE_IMPORT_PROPOSAL: dict[str, Any] = {
    **EXAMPLE_SHEET,
    "digest": "1f" * 32,
    "reason": "The branches at the lake, with their people.",
}
EXAMPLE_RUN: dict[str, Any] = {
    "file_digest": "2e" * 32,
    "digest": None,
    "counts": [
        {"kind": "region", "created": 1, "updated": 0, "unchanged": 0},
        {"kind": "person", "created": 24, "updated": 1, "unchanged": 5},
    ],
    "updates": [{"row": 12, "kind": "person", "changed": {"branch": ["WESTLANDS", "KISUMU"]}}],
    "errors": [
        {
            "row": 18,
            "column": "Phone",
            "code": "user.invalid",
            "message": "This phone number can't exist.",
        }
    ],
}
EXAMPLE_IMPORT_PAYLOAD: dict[str, Any] = {
    "import": "people",
    "file": {"name": "people.xlsx", "sha256": "2e" * 32},
    "counts": EXAMPLE_RUN["counts"],
    "notes": ["achieng.o: staff"],
}
