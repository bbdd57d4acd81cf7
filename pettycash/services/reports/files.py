"""A report as a file: CSV (RFC 4180, UTF-8 with BOM) or XLSX, with its head and its totals.

Text stays text: no cell of ours becomes a formula or a link in somebody's spreadsheet, and amounts
are plain numbers (security.md row 20).
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session
from xlsxwriter import Workbook

from pettycash.models.access import Company
from pettycash.runtime import errors, money
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.reports.declared import Money, Part, Report, Row, Values, parts

ROWS_MAX = 1_000_000
EXACT_DIGITS = 15
"""A spreadsheet keeps so many digits of a number; a longer amount is written as text."""
COLUMN_WIDTH = 24
SHEET_NAME_MAX = 31

FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Spreadsheets read the full-width forms too."""


class ReportTooLong(errors.RuleViolation):
    """A report has at most 1,000,000 rows; narrow its period or its filters."""

    code = "report.too_many_rows"


class Figure(NamedTuple):
    """An amount with the decimals of its currency."""

    value: Decimal
    currency: str

    @property
    def text(self) -> str:
        """Its plain digits."""
        return money.text(self.value, self.currency)


Cell = str | Figure
Line = tuple[Sequence[Cell], bool]
"""Its cells, and whether it stands out."""


def write(
    session: Session, report: Report, values: Values, file_format: FileFormat, out: IO[bytes]
) -> None:
    """Write a report to a file that is open for writing, row after row.

    Raises:
        ReportTooLong: it has more than ROWS_MAX.
    """
    WRITERS[file_format](report, _lines(session, report, values), out)


def safe(text: str) -> str:
    """A text cell for CSV: what a spreadsheet would take for a formula gets an apostrophe."""
    if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA):
        return f"'{text}"
    return text


def _lines(session: Session, report: Report, values: Values) -> Iterator[Line]:
    for each in _head(session, report, values):
        yield each, False
    titled = [each for each in report.columns if each.title is not None]
    yield [], False
    yield [each.title or "" for each in titled], True
    written = 0
    for part in parts(session, report, values):
        for row in part:
            written += 1
            if written > ROWS_MAX:
                raise ReportTooLong
            yield [_cell(row, each.name, isinstance(each, Money)) for each in titled], False
        yield _totals(part), True
        if not part.foots:
            yield [f"The totals of {part.currency} do not agree: the books are wrong."], True
    yield [], False
    yield ["Rows", str(written)], False


def _head(session: Session, report: Report, values: Values) -> Iterator[Sequence[Cell]]:
    company = session.get_one(Company, session.info["scope"].company_id)
    zone = company_settings.current(session).timezone
    made_at = session.info["now"].astimezone(ZoneInfo(zone))
    yield [report.title]
    yield ["Company", f"{company.code} {company.name}"]
    for param in report.params:
        value = values[param.name]
        yield [param.title, param.default if value is None else str(value)]
    yield ["Made at", f"{made_at:%Y-%m-%d %H:%M:%S} {zone}"]


def _cell(row: Row, name: str, is_money: bool) -> Cell:
    value = row[name]
    if value is None:
        return ""
    return Figure(value, row["currency"]) if is_money else str(value)


def _totals(part: Part) -> list[Cell]:
    titled = [each for each in part.report.columns if each.title is not None]
    cells: list[Cell] = [
        Figure(part.totals[each.name], part.currency) if each.name in part.totals else ""
        for each in titled
    ]
    cells[0] = f"Total {part.currency}"
    return cells


def _csv(report: Report, lines: Iterator[Line], out: IO[bytes]) -> None:
    del report
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    for cells, _ in lines:
        writer.writerow(each.text if isinstance(each, Figure) else safe(each) for each in cells)
    text.detach()  # it stays open for whoever sends it


def _xlsx(report: Report, lines: Iterator[Line], out: IO[bytes]) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with Workbook(out, options) as book:
        sheet = book.add_worksheet(report.title[:SHEET_NAME_MAX])
        sheet.set_column(0, len(report.columns), COLUMN_WIDTH)
        style = _styles(book)
        for number, (cells, is_bold) in enumerate(lines):
            for place, each in enumerate(cells):
                if isinstance(each, Figure) and len(each.value.as_tuple().digits) <= EXACT_DIGITS:
                    sheet.write_number(
                        number, place, float(each.value), style(is_bold, each.currency)
                    )
                else:
                    text = each.text if isinstance(each, Figure) else each
                    sheet.write_string(number, place, text, style(is_bold, None))


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


WRITERS: dict[FileFormat, Callable[[Report, Iterator[Line], IO[bytes]], None]] = {
    FileFormat.CSV: _csv,
    FileFormat.XLSX: _xlsx,
}
