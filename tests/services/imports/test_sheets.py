"""What people bring as a sheet: every encoding of a CSV, workbooks, and what is neither."""

import io
import random
import struct
import zipfile
import zlib
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.styles.numbers import FORMAT_TEXT

from pettycash.services.imports import sheets
from pettycash.services.imports.sheets import (
    ErrorInCell,
    FileTooLarge,
    FormulaInCell,
    NotASheet,
    NumberRounded,
    TooManyRows,
)

TEXT = 'Kind,Code,Name\r\nregion,Q,"Québec, the\r\nlarger"\r\n\r\nbranch,"a ""b""",  c  \r\n'
READ = [
    (1, ["Kind", "Code", "Name"]),
    (2, ["region", "Q", "Québec, the\r\nlarger"]),
    (4, ["branch", 'a "b"', "c"]),
]


def rows(content: bytes, limit: int = 100) -> list[tuple[int, list[Any]]]:
    return [(each.number, list(each.cells)) for each in sheets.rows(content, limit=limit)]


def book(*lines: list[Any], formats: dict[str, str] | None = None) -> bytes:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for line in lines:
        sheet.append(line)
    for place, number_format in (formats or {}).items():
        sheet[place].number_format = number_format
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def filled(line: list[Any], **options: Any) -> list[Any]:
    """The cells of the one row under the titles."""
    [(_, _), (_, found)] = rows(book(["Title"] * len(line), line, **options))
    return found[: len(line)]


def repacked(content: bytes, **members: bytes) -> bytes:
    """The same archive, with other members of these names (a slash is written __)."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        named = {name.replace("__", "/").replace("_DOT_", "."): it for name, it in members.items()}
        for each in old.namelist():
            new.writestr(each, named.pop(each, None) or old.read(each))
        for name, it in named.items():
            new.writestr(name, it)
    return out.getvalue()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_is_read_however_it_was_saved(encoding: str, separator: str) -> None:
    text = TEXT.replace(",", separator).replace(f"{separator} the", ", the")
    assert rows(text.encode(encoding)) == READ


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_end_as_they_like(end: str) -> None:
    assert rows(f"Kind;Code{end}region;1,5{end}".encode()) == [
        (1, ["Kind", "Code"]), (2, ["region", "1,5"]),
    ]  # fmt: skip


def test_excel_is_told_the_separator_in_a_line_of_its_own() -> None:
    assert rows(b"sep=|\r\nKind|Code\r\n") == [(1, ["Kind", "Code"])]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \r\n ",
        b"\xef\xbb\xbf",
        b"Kind,Code\nregion,\0\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
        b"\xff\xfeK",
        b"Kind,Code\n\x81\x8d\x8f\n",
        b'Kind,Code\n"region,1\n',
        b'Kind,Code\n"a"b,1\n',
        b"Kind," + b"x" * 200_000,
        b"PK\x03\x04",
        b"PK\x03\x04" + b"x" * 5000,
        b"\n" * 5000 + b"Kind",
        b"Kind" + b",x" * 50,
    ],
)
def test_what_is_no_sheet_is_refused(content: bytes) -> None:
    with pytest.raises(NotASheet):
        assert rows(content)


def test_a_sheet_is_bounded() -> None:
    with pytest.raises(FileTooLarge):
        rows(b"," * (sheets.SIZE_MAX + 1))
    content = b"Kind\n" + b"region\n" * 3
    assert len(rows(content, limit=3)) == 4
    for too_many in (content, book(["Kind"], *[["region"]] * 3)):
        with pytest.raises(TooManyRows):
            rows(too_many, limit=2)


def test_a_workbook_is_read_whatever_its_name() -> None:
    content = book(["Kind", "Code"], ["region", " Q "], [], [None, None], ["branch", "Ä"])

    assert rows(content) == [
        (1, ["Kind", "Code"]), (2, ["region", "Q"]), (5, ["branch", "Ä"]),
    ]  # fmt: skip


def test_values_are_text_as_the_spreadsheet_shows_them() -> None:
    assert filled([712345678, 254712345678, 12.0, 12.5, 0.1, -3, True, 1e14]) == [
        "712345678", "254712345678", "12", "12.5", "0.1", "-3", "true", "100000000000000",
    ]  # fmt: skip
    assert filled([date(2026, 1, 31), datetime.fromisoformat("2026-01-31 08:30")]) == [
        "2026-01-31", "2026-01-31 08:30:00",
    ]  # fmt: skip


def test_leading_zeros_stay_where_the_sheet_shows_them() -> None:
    assert filled(["0712345678", 712345678, 7], formats={"B2": "0000000000", "C2": "000"}) == [
        "0712345678", "0712345678", "007",
    ]  # fmt: skip
    assert filled([712345678], formats={"A2": FORMAT_TEXT}) == ["712345678"]


def test_what_has_no_value_is_told() -> None:
    assert filled(["=1+1", "=HYPERLINK(A1)", 1e15, "#N/A"]) == [
        FormulaInCell, FormulaInCell, NumberRounded, ErrorInCell,
    ]  # fmt: skip
    assert rows(b"Kind,Code\n=1+1, =A1\n")[1] == (2, [FormulaInCell, FormulaInCell])


@pytest.mark.parametrize(
    "formula",
    [b"<f>B1</f>", b'<f t="shared" si="0"/>', b'<f t="array" ref="A1">B1</f>',
     b'<f t="dataTable" ref="A1" r1="B1"/>'],
)  # fmt: skip
def test_a_formula_is_not_taken_for_its_last_value(formula: bytes) -> None:
    sheet = (
        b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
        <sheetData><row r="1"><c r="A1" t="str">%s<v>shown</v></c></row></sheetData>
        </worksheet>"""
        % formula
    )

    content = repacked(book(["Title"]), xl__worksheets__sheet1_DOT_xml=sheet)

    assert rows(content) == [(1, [FormulaInCell])]


def test_a_sheet_may_lie_about_its_size() -> None:
    """One row far below, a column far to the right, and a dimension that hides a row."""
    content = book(["Title"], ["x"])
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'

    def with_sheet(inner: bytes) -> bytes:
        sheet = head + inner + b"</worksheet>"
        return repacked(content, xl__worksheets__sheet1_DOT_xml=sheet)

    far = b'<sheetData><row r="99999999999"><c t="n"><v>1</v></c></row></sheetData>'
    with pytest.raises(NotASheet, match="blank rows"):
        rows(with_sheet(far))
    hidden = (
        b'<dimension ref="A1:A1"/><sheetData><row r="1"><c t="n"><v>1</v></c></row>'
        b'<row r="2"><c t="n"><v>2</v></c></row></sheetData>'
    )
    assert [cells[0] for _, cells in rows(with_sheet(hidden))] == ["1", "2"]
    broken = b'<sheetData><row r="1"><c r="A1" t="s"><v>77</v></c></row></sheetData>'
    with pytest.raises(NotASheet):
        rows(with_sheet(broken))


def test_bombs_do_not_go_off() -> None:
    content = book(["Title"])
    with pytest.raises(FileTooLarge):
        rows(repacked(content, xl__big_DOT_xml=b"<a>" + b" " * (sheets.UNPACKED_MAX + 1)))
    with pytest.raises(FileTooLarge):
        rows(repacked(content, **{f"xl__{n}": b"x" for n in range(sheets.MEMBERS_MAX)}))
    with pytest.raises(FileTooLarge):
        rows(repacked(content, xl__tight_DOT_xml=b" " * (4 * 1024 * 1024)))
    cells = b"<c/>" * sheets.TAGS_MAX
    noise = random.Random(1).randbytes(64 * 1024)  # so that it packs no better than it may
    with pytest.raises(FileTooLarge, match="too many"):
        rows(repacked(content, xl__many_DOT_xml=b"<a>" + cells + b"</a>", xl__noise=noise))


def test_a_member_that_unpacks_to_more_than_it_says_is_refused() -> None:
    """Its directory says 10 bytes, with the checksum of those; it holds 20 MiB."""
    content = bytearray(repacked(book(["Title"]), xl__liar=b"x" * (20 * 1024 * 1024)))
    at = content.rindex(b"xl/liar")  # in the directory at the end
    content[at - 22 : at - 18] = struct.pack("<L", 10)
    content[at - 30 : at - 26] = struct.pack("<L", zlib.crc32(b"x" * 10))

    found = rows(bytes(content))

    assert found[0][1][0] == "Title"  # ten bytes of it were unpacked, and nobody unpacks more


@pytest.mark.parametrize(
    "part",
    [
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        b'\xef\xbb\xbf<?xml version="1.0"?><!--' + b"x" * 70_000 + b"--><!DOCTYPE a><a/>",
        b"\xef\xbb\xbf\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    ],
)
def test_xml_declares_nothing(part: bytes) -> None:
    for name in ("xl__sharedStrings_DOT_xml", "xl__worksheets__sheet1_DOT_xml"):
        with pytest.raises(NotASheet):
            rows(repacked(book(["Title"], ["x"]), **{name: part}))


def test_other_archives_and_other_workbooks_are_no_sheet() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("word/document.xml", "<a/>")
    with pytest.raises(NotASheet):
        rows(out.getvalue())
    whole = book(["Title"])
    for cut in (len(whole) // 2, len(whole) - 40):
        with pytest.raises(NotASheet):
            rows(whole[:cut])


def test_links_to_other_workbooks_are_not_followed() -> None:
    content = book(["Title"], ["='[other.xlsx]Sheet1'!A1"])
    assert load_workbook(io.BytesIO(content)).worksheets[0]["A2"].data_type == "f"

    assert rows(content)[1][1][0] is FormulaInCell
