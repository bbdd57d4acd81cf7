"""Sheets as files: CSV (RFC 4180, UTF-8 with BOM), XLSX or PDF.

Text stays text: no cell of ours becomes a formula or a link in somebody's spreadsheet, and amounts
are plain numbers (security.md row 20).
"""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import IO, Any

from xlsxwriter import Workbook

from pettycash.runtime import money
from pettycash.services.foundation.file_formats import PrintFormat
from pettycash.services.reports import pdf
from pettycash.services.reports.sheets import Figure, Sheet

EXACT_DIGITS = 15
"""A spreadsheet keeps so many digits of a number; a longer amount is written as text."""
COLUMN_WIDTH = 24
SHEET_NAME_MAX = 31

FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Spreadsheets read the full-width forms too."""


def write(sheet: Sheet, file_format: str, out: IO[bytes]) -> None:
    """Write a sheet to a file that is open for writing, line after line."""
    WRITERS[file_format](sheet, out)


def safe(text: str) -> str:
    """A text cell for CSV: what a spreadsheet would take for a formula gets an apostrophe."""
    if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA):
        return f"'{text}"
    return text


def _csv(sheet: Sheet, out: IO[bytes]) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    try:
        for cells, _ in sheet.lines():
            writer.writerow(each.text if isinstance(each, Figure) else safe(each) for each in cells)
    finally:
        text.detach()  # it stays open for whoever sends it


def _xlsx(sheet: Sheet, out: IO[bytes]) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with Workbook(out, options) as book:
        page = book.add_worksheet(sheet.title[:SHEET_NAME_MAX])
        page.set_column(0, len(sheet.titles), COLUMN_WIDTH)
        style = _styles(book)
        for number, (cells, is_bold) in enumerate(sheet.lines()):
            for place, each in enumerate(cells):
                if isinstance(each, Figure) and _is_exact(each):
                    page.write_number(
                        number, place, float(each.value), style(is_bold, each.currency)
                    )
                else:
                    text = each.text if isinstance(each, Figure) else each
                    page.write_string(number, place, text, style(is_bold, None))


def _is_exact(figure: Figure) -> bool:
    return len(Decimal(figure.value).as_tuple().digits) <= EXACT_DIGITS


def _styles(book: Workbook) -> Callable[[bool, str | None], Any]:
    made: dict[tuple[bool, str | None], Any] = {}

    def style(is_bold: bool, currency: str | None) -> Any:
        if (is_bold, currency) not in made:
            wanted: dict[str, Any] = {"bold": is_bold}
            if currency is not None:
                digits = money.MINOR_DIGITS[money.Currency(currency)]
                wanted["num_format"] = f"#,##0.{'0' * digits}".rstrip(".")
            made[is_bold, currency] = book.add_format(wanted)
        return made[is_bold, currency]

    return style


WRITERS: dict[str, Callable[[Sheet, IO[bytes]], None]] = {
    PrintFormat.CSV: _csv,
    PrintFormat.XLSX: _xlsx,
    PrintFormat.PDF: pdf.write,
}
