"""Sheets as people bring them: CSV as their program wrote it, or XLSX, read as rows of text.

What the file is, is found in it, whatever its name. Nothing of it is run or followed: a formula is
refused where it stands, links to other workbooks are not opened, and an archive that unpacks to
too much is not unpacked (security.md row 20).
"""

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook

from pettycash.runtime import errors

SIZE_MAX = 10 * 1024 * 1024
UNPACKED_MAX = 32 * 1024 * 1024
PIECE = 64 * 1024
RATIO_MAX = 200
"""A sheet of nothing but the same row packs 1 : 100."""
MEMBERS_MAX = 500
TAGS_MAX = 300_000
"""The reader makes an object of each tag: five bytes of XML are several hundred of memory."""
COLUMNS_MAX = 50
BLANK_ROWS_MAX = 1000
EXACT_DIGITS = 15

ZIP, OLD_OFFICE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
SEPARATORS = ",;\t"
ZEROS = re.compile(r"0+")

DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError, RuntimeError),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
)
"""The errors of zipfile, the XML parser and openpyxl over a broken file."""


class NotASheet(errors.RuleViolation):
    """The file is no sheet that can be read: bring a CSV or an XLSX workbook."""

    code = "import.not_a_sheet"


class FileTooLarge(errors.PayloadTooLarge):
    """A sheet has at most 10 MiB, and 32 MiB when unpacked."""

    code = "import.file_too_large"


class TooManyRows(errors.RuleViolation):
    """The sheet has more rows than one import takes; divide it."""

    code = "import.too_many_rows"


class FormulaInCell(errors.RuleViolation):
    """This is a formula; put its value there instead."""

    code = "import.formula"


class ErrorInCell(errors.RuleViolation):
    """The spreadsheet shows an error in this cell."""

    code = "import.cell_error"


class NumberRounded(errors.RuleViolation):
    """The spreadsheet has rounded this number; format the column as text and type it again."""

    code = "import.number_rounded"


Cell = str | type[errors.RuleViolation]
"""The text of a cell, or why it has none that could be taken."""


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """A row, numbered as a spreadsheet numbers it; blank cells are empty texts."""

    number: int
    cells: Sequence[Cell]


def rows(content: bytes, *, limit: int) -> list[SheetRow]:
    """Every row that is not blank, the titles first.

    Raises:
        NotASheet: something else, or so damaged that it can't be read to its end.
        FileTooLarge: too many bytes, packed or unpacked.
        TooManyRows: more than `limit` beside the titles.
    """
    if len(content) > SIZE_MAX:
        raise FileTooLarge
    if not content.strip():
        raise NotASheet("The file is empty.")
    if content.startswith(OLD_OFFICE):
        raise NotASheet("This is an old Excel file, or one with a password: save it as XLSX.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what openpyxl does not know of a workbook we do not need
        raw = _workbook(content) if content.startswith(ZIP) else _csv(_text(content))
        found = _filled(raw, limit)
    if not found:
        raise NotASheet("The sheet is empty.")
    return found


def _filled(raw: Iterator[list[Cell]], limit: int) -> list[SheetRow]:
    found: list[SheetRow] = []
    blank = 0
    for number, cells in enumerate(raw, start=1):
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > COLUMNS_MAX:
            raise NotASheet(f"Row {number} has more than {COLUMNS_MAX} columns.")
        if not cells:
            blank += 1
            if blank > BLANK_ROWS_MAX:
                raise NotASheet("More than 1000 blank rows stand in the sheet; delete them.")
            continue
        if len(found) > limit:
            raise TooManyRows(f"The sheet has more than {limit} rows; divide it.")
        found.append(SheetRow(number=number, cells=cells))
    return found


def _text(content: bytes) -> str:
    """The text of a CSV in the encoding that it is in: UTF-8, UTF-16 or Windows-1252."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            tried = [encoding]
            break
    else:
        halves = {"utf-16-le": content[1:200:2], "utf-16-be": content[0:200:2]}
        wide = [each for each, half in halves.items() if half and half.count(0) * 2 > len(half)]
        tried = wide or ["utf-8", "cp1252"]
    for encoding in tried:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise NotASheet("This is neither text in a known encoding nor an XLSX workbook.")


def _csv(text: str) -> Iterator[list[Cell]]:
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=.\r?", first, re.IGNORECASE):  # how Excel is told the separator
        text, separator = rest, first[4]
    else:
        separator = max(SEPARATORS, key=_outside_quotes(text).count)
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            yield [
                FormulaInCell if each.startswith("=") else each for each in map(str.strip, cells)
            ]
    except csv.Error as error:
        raise NotASheet(f"The CSV can't be read to its end: {error}.") from error


def _outside_quotes(text: str) -> str:
    """The line of titles, without what stands in quotes."""
    return re.split(r"[\r\n]", re.sub(r'"[^"]*"', "", text.lstrip()), maxsplit=1)[0]


def _workbook(content: bytes) -> Iterator[list[Cell]]:
    clean = _unpacked(content)
    try:
        book = load_workbook(clean, read_only=True, keep_links=False)
        try:
            if not book.worksheets:
                raise NotASheet("The workbook has no sheet.")
            sheet: Any = book.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size is not believed
            for row in sheet.iter_rows(max_col=COLUMNS_MAX + 1):
                yield [_value(cell) for cell in row]
        finally:
            book.close()
    except DAMAGED as error:
        raise NotASheet("The workbook can't be read to its end.") from error


def _unpacked(content: bytes) -> io.BytesIO:
    """The same archive, unpacked within its bounds, so that nobody need unpack it again.

    It is read piece by piece, since a directory may say less than a member unpacks to.
    """
    clean = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package, zipfile.ZipFile(clean, "w") as kept:
            members = package.infolist()
            names = {each.filename for each in members}
            if "xl/workbook.xml" not in names or len(names) < len(members):
                raise NotASheet("This archive is no XLSX workbook.")
            if len(members) > MEMBERS_MAX:
                raise FileTooLarge("The workbook has too many parts.")
            left = min(UNPACKED_MAX, RATIO_MAX * len(content))
            tags = 0
            for each in members:
                read = bytearray()
                with package.open(each) as member:
                    while piece := member.read(PIECE):
                        read += piece
                        if len(read) > left:
                            raise FileTooLarge("The workbook is too large when unpacked.")
                left -= len(read)
                tags += read.count(b"<")
                if tags > TAGS_MAX:
                    raise FileTooLarge("The workbook has too many cells or styles.")
                if _declares(read):
                    raise NotASheet("The workbook's XML declares a type or entities.")
                kept.writestr(each.filename, bytes(read))
    except DAMAGED as error:
        raise NotASheet("This archive can't be unpacked.") from error
    return clean


def _declares(part: bytearray) -> bool:
    """Whether XML declares a type or entities, or is in an encoding that could hide it."""
    # Blanks may stand after the byte order mark too.
    begin = part.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_xml = begin.startswith((b"<", b"\xff\xfe", b"\xfe\xff", b"\0"))
    return is_xml and any(each in part for each in (b"<!DOCTYPE", b"<!ENTITY", b"\0"))


def _value(cell: Any) -> Cell:
    """A cell as its text; numbers as they are shown where the format only adds zeros in front."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return FormulaInCell
    if cell.data_type == "e":
        return ErrorInCell
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format))
    if isinstance(value, datetime):
        midnight = value.time() == time.min
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    text = str(value).strip()
    return FormulaInCell if text.startswith("=") else text


def _number(value: float, number_format: str) -> Cell:
    exact = Decimal(repr(value))
    if not exact.is_finite() or exact.adjusted() >= EXACT_DIGITS:
        return NumberRounded
    text = f"{exact.normalize():f}"
    return text.zfill(len(number_format)) if ZEROS.fullmatch(number_format) else text
