"""Files of reports and lists: they say what the page says, and no cell of theirs is a formula."""

import csv
import io
import tempfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import Numeric, cast, func, literal, select
from sqlalchemy.orm import Session

from pettycash.runtime import money
from pettycash.services import reports
from pettycash.services.foundation.file_formats import FileFormat, PrintFormat
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import (
    TRIAL_BALANCE,
    Col,
    Money,
    Number,
    Report,
    Split,
    files,
    pdf,
    sheets,
)
from tests import books
from tests.factories.people import acting

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)


def cfo(session: Session) -> Uow:
    return Uow.of(session, acting(session, "cfo"))


def written(session: Session, report: Report, values: dict[str, Any], kind: str) -> bytes:
    out = io.BytesIO()
    most = sheets.up_to(sheets.ROWS_MAX, sheets.ReportTooLong)
    files.write(sheets.sheet_of(cfo(session), report, values, most), kind, out)
    return out.getvalue()


def lines_of(content: bytes, kind: FileFormat) -> list[list[Any]]:
    """A file's lines, each without the blanks behind it."""
    if kind is FileFormat.CSV:
        assert content.startswith("\ufeff".encode())
        found: list[list[Any]] = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), "")))
    else:
        sheet = load_workbook(io.BytesIO(content)).worksheets[0]
        found = [["" if each is None else each for each in row] for row in sheet.values]
    for line in found:
        while line and line[-1] == "":
            line.pop()
    return found


def table_of(lines: list[list[Any]], titles: list[str]) -> list[list[Any]]:
    """The rows under the titles, without totals."""
    under = lines[lines.index(titles) + 1 :]
    return [each for each in under[: under.index([])] if str(each[0]).split()[:1] != ["Total"]]


def shown(uow: Uow, report: Report, values: dict[str, Any]) -> Iterator[list[str]]:
    """The rows as a file has them."""
    for part in reports.parts(uow, report, values):
        for row in part:
            cells: list[str] = []
            for each in report.columns:
                value = row[each.name]
                if each.title is None:
                    continue
                if isinstance(each, Split):
                    found = value or {}
                    cells += [
                        money.text(Decimal(found[name]), row["currency"]) if name in found else ""
                        for name in each.names(uow)
                    ]
                elif isinstance(each, Money) and value is not None:
                    cells.append(money.text(value, row["currency"]))
                elif isinstance(value, datetime):
                    cells.append(f"{value + timedelta(hours=3):%Y-%m-%d %H:%M}")  # Nairobi
                else:
                    cells.append("" if value is None else str(value))
            yield cells


def test_each_file_is_the_rows_of_its_report(session: Session) -> None:
    books.pay(session, "1500.00", occurred_at=FIRST)
    uow = cfo(session)
    for report in reports.ALL:
        values = dict.fromkeys(each.name for each in report.params)
        titles = [
            title
            for each in report.columns
            for title in (each.names(uow) if isinstance(each, Split) else [each.title])
            if title is not None
        ]
        numbers = [each.name for each in report.columns if isinstance(each, Money | Number | Split)]
        wanted = list(shown(uow, report, values))
        for kind in FileFormat:
            lines = lines_of(written(session, report, values, kind), kind)
            table = [line + [""] * (len(titles) - len(line)) for line in table_of(lines, titles)]
            if kind is FileFormat.CSV or not numbers:
                assert table == wanted, report.name
            assert len(table) == len(wanted), report.name


def test_a_file_says_whose_it_is_of_when_and_what_it_adds_up_to(session: Session) -> None:
    books.pay(session, "1500.00", occurred_at=FIRST)
    values = {"as_of": date(2026, 1, 31), "currency": "KES"}
    digests = set()

    for kind in FileFormat:
        lines = lines_of(written(session, TRIAL_BALANCE, values, kind), kind)
        made_at = session.info["now"] + timedelta(hours=3)  # Nairobi
        assert lines[:7] == [
            ["Trial balance"],
            ["Company", "DEMO Demo organisation"],
            ["As of", "2026-01-31"],
            ["Currency", "KES"],
            ["Made at", f"{made_at:%Y-%m-%d %H:%M:%S} Africa/Nairobi"],
            ["Made by", "Chief financial officer"],
            [],
        ]
        assert [str(each) for each in lines[-4]][:1] == ["Total KES"]
        assert {Decimal(str(each)) for each in lines[-4][-2:]} == {Decimal(1500)}
        assert lines[-2] == ["Rows", "2"]
        digests.add(lines[-1][1])
    assert len(digests) == 1  # of the table, whatever the file is


def made_of(text: str, amount: Decimal = Decimal(1), rows: int = 1) -> Report:
    """A report of one name and one amount, so many times."""
    series = func.generate_series(1, rows).table_valued("number")
    return replace(
        TRIAL_BALANCE,
        params=(),
        sql=lambda *_: select(
            literal(text).label("name"), literal("KES").label("currency"),
            cast(literal(amount), Numeric(18, 2)).label("amount"),
        ).select_from(series),
        columns=(Col("name", "Name"), Money("amount", "Amount")),
        foots=lambda totals: totals["amount"] == amount * rows,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", '=HYPERLINK("http://192.0.2.1")',
     "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"],
)  # fmt: skip
def test_no_text_becomes_a_formula(session: Session, text: str) -> None:
    report = made_of(text, Decimal("-5.00"))

    as_csv = written(session, report, {}, FileFormat.CSV)
    [line] = table_of(lines_of(as_csv, FileFormat.CSV), ["Name", "Amount"])
    assert line == [f"'{text}", "-5.00"]

    as_xlsx = written(session, report, {}, FileFormat.XLSX)
    sheet = load_workbook(io.BytesIO(as_xlsx)).worksheets[0]
    assert {cell.data_type for row in sheet for cell in row} <= {"s", "n"}
    assert not any(cell.hyperlink for row in sheet for cell in row)
    amounts = [cell.value for row in sheet for cell in row if cell.number_format == "#,##0.00"]
    assert amounts == [-5, -5]


def test_an_amount_that_a_spreadsheet_would_round_is_text(session: Session) -> None:
    report = made_of("Large", Decimal("9999999999999999.99"))

    as_xlsx = written(session, report, {}, FileFormat.XLSX)

    [line] = table_of(lines_of(as_xlsx, FileFormat.XLSX), ["Name", "Amount"])
    assert line[1] == "9999999999999999.99"


def test_totals_that_disagree_are_told_in_the_file(session: Session) -> None:
    report = replace(made_of("Wrong"), foots=lambda _: False)

    lines = lines_of(written(session, report, {}, FileFormat.CSV), FileFormat.CSV)

    assert ["The totals of KES do not agree: the books are wrong."] in lines


def test_more_rows_than_a_file_has_are_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "ROWS_MAX", 10)
    written(session, made_of("Many", rows=10), {}, FileFormat.CSV)

    with pytest.raises(reports.ReportTooLong):
        written(session, made_of("Many", rows=11), {}, FileFormat.CSV)


@pytest.mark.parametrize("kind", FileFormat)
def test_more_rows_need_no_more_memory(session: Session, kind: FileFormat) -> None:
    uow = cfo(session)

    def peak(rows: int) -> int:
        with tempfile.TemporaryFile() as out:
            tracemalloc.start()
            most = sheets.up_to(sheets.ROWS_MAX, sheets.ReportTooLong)
            files.write(sheets.sheet_of(uow, made_of("Row", rows=rows), {}, most), kind, out)
            _, found = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return found

    bytes_a_row = (peak(6000) - peak(2000)) / 4000
    assert bytes_a_row < 150


def test_a_print_has_its_rows_on_pages_and_says_so_where_it_is_too_long(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_words = made_of("Wämbui " * 12 + "x" * 200 + " \u4e2d", rows=120)

    monkeypatch.setattr(pdf, "ROWS_MAX", 120)
    content = written(session, long_words, {}, PrintFormat.PDF)

    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") > 3
    assert len(content) < 200_000  # of the fonts, what is used
    monkeypatch.setattr(pdf, "ROWS_MAX", 119)
    with pytest.raises(pdf.PrintTooLong):
        written(session, long_words, {}, PrintFormat.PDF)


def test_every_report_that_is_printed_is_a_pdf(session: Session) -> None:
    books.pay(session, "1500.00")
    printed = [each for each in reports.ALL if each.as_pdf]
    assert {each.name for each in printed} == {"cash-book", "fund-statement", "trial-balance"}
    for report in printed:
        values = dict.fromkeys(each.name for each in report.params)
        content = written(session, report, values, PrintFormat.PDF)
        assert content.startswith(b"%PDF-"), report.name


def test_the_fonts_are_those_whose_digests_are_listed() -> None:
    listed = dict(
        reversed(line.split()) for line in (pdf.FONTS / "SHA256SUMS").read_text().splitlines()
    )
    found = {each.name: sha256(each.read_bytes()).hexdigest() for each in pdf.FONTS.iterdir()}
    assert {name: found[name] for name in found.keys() - {"SHA256SUMS", "VERSIONS"}} == listed
