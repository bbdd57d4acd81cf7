"""The sheet to fill in: titles and example rows; an XLSX explains its columns on a second sheet."""

import csv
import io

from xlsxwriter import Workbook

from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.imports.declared import Import

COLUMN_WIDTH = 20


def template(declared: Import, file_format: FileFormat) -> bytes:
    """The bytes of the template."""
    lines = [list(declared.titles.values())]
    lines += [[each.get(name, "") for name in declared.titles] for each in declared.examples]
    return _csv(lines) if file_format is FileFormat.CSV else _xlsx(declared, lines)


def _csv(lines: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode("utf-8-sig")


def _xlsx(declared: Import, lines: list[list[str]]) -> bytes:
    out = io.BytesIO()
    with Workbook(out, {"strings_to_urls": False, "strings_to_formulas": False}) as book:
        as_text = book.add_format({"num_format": "@"})  # numbers typed here keep leading zeros
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet(declared.title)
        sheet.set_column(0, len(lines[0]) - 1, COLUMN_WIDTH, as_text)
        sheet.freeze_panes(1, 0)
        for number, cells in enumerate(lines):
            sheet.write_row(number, 0, cells, as_text if number else bold)
        notes = book.add_worksheet("Columns")
        notes.set_column(0, 2, COLUMN_WIDTH)
        for number, each in enumerate(declared.columns().fields.values()):
            needed = "needed" if each.required else ""
            notes.write_row(number, 0, [each.data_key, needed, each.metadata["description"]])
    return out.getvalue()
