"""Every report, on random books: it foots at any range, and its files say what it says."""

import csv
import io
import random
import tempfile
import tracemalloc
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import Numeric, cast, func, literal, select
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.services import reports
from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.foundation.permissions import PERMISSIONS
from pettycash.services.ledger import posting
from pettycash.services.reports import TRIAL_BALANCE, Col, Money, Report, files
from tests import books
from tests.posting import transfer

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)


def keep_books(session: Session, chance: random.Random) -> None:
    """Payments and other entries of some months."""
    for _ in range(12):
        amount = f"{chance.randint(1, 900)}.{chance.randint(0, 99):02}"
        at = FIRST + timedelta(days=chance.randint(0, 250))
        if chance.random() < 0.5:
            store = chance.choice(("WESTLANDS-MPESA", "WESTLANDS-DRAWER"))
            books.pay(session, amount, store_code=store, occurred_at=at)
        else:
            source = f"random:{new_id()}"
            posting.post(session, [transfer(session, source, amount, occurred_at=at)])


def values_of(report: Report, chance: random.Random) -> dict[str, Any]:
    """Parameters as a reader may choose them."""

    def chosen(kind: type[Any]) -> Any:
        if issubclass(kind, StrEnum):
            return chance.choice(list(kind))
        assert kind is date, f"say how to choose a {kind}"
        return FIRST.date() + timedelta(days=chance.randint(-5, 260))

    return {
        each.name: None if chance.random() < 0.3 else chosen(each.kind) for each in report.params
    }


def read(session: Session, report: Report, values: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in reports.parts(session, report, values):
        rows = [dict(row) for row in part]
        assert part.foots, (report.name, values, part.currency)
        for name in report.totalled:
            assert part.totals[name] == sum(row[name] for row in rows)
        found += rows
    return found


def written(session: Session, report: Report, values: dict[str, Any], kind: FileFormat) -> bytes:
    out = io.BytesIO()
    reports.write(session, report, values, kind, out)
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


def table_of(lines: list[list[Any]], report: Report) -> list[list[Any]]:
    """The rows under the titles, without totals."""
    titles = [each.title for each in report.columns if each.title is not None]
    under = lines[lines.index(titles) + 1 :]
    return [each for each in under[: under.index([])] if not str(each[0]).startswith("Total ")]


def plain(cell: Any, like: Col) -> Any:
    return Decimal(str(cell)) if isinstance(like, Money) else cell


@pytest.mark.parametrize("report", reports.ALL, ids=lambda each: each.name)
def test_it_foots_at_any_range_and_its_files_are_its_rows(session: Session, report: Report) -> None:
    chance = random.Random(20261130)
    shown = [each for each in report.columns if each.title is not None]
    for _ in range(2):
        keep_books(session, chance)
        for _ in range(6):
            values = values_of(report, chance)
            rows = read(session, report, values)
            for kind in FileFormat:
                table = table_of(lines_of(written(session, report, values, kind), kind), report)
                cells = [[plain(*each) for each in zip(line, shown, strict=True)] for line in table]
                assert cells == [[row[each.name] for each in shown] for row in rows]


def test_every_report_has_its_right_and_a_link_for_each_total() -> None:
    for report in reports.ALL:
        assert report.permission in PERMISSIONS
        for each in report.columns:
            assert each.link is not None or each.name not in report.totalled, each.name


def test_a_file_says_whose_it_is_of_when_and_what_it_adds_up_to(session: Session) -> None:
    books.pay(session, "1500.00", occurred_at=FIRST)
    values = {"as_of": date(2026, 1, 31), "currency": "KES"}

    for kind in FileFormat:
        lines = lines_of(written(session, TRIAL_BALANCE, values, kind), kind)
        made_at = session.info["now"] + timedelta(hours=3)  # Nairobi
        assert lines[:6] == [
            ["Trial balance"],
            ["Company", "DEMO Demo organisation"],
            ["As of", "2026-01-31"],
            ["Currency", "KES"],
            ["Made at", f"{made_at:%Y-%m-%d %H:%M:%S} Africa/Nairobi"],
            [],
        ]
        assert [str(each) for each in lines[-3]][:1] == ["Total KES"]
        assert {Decimal(str(each)) for each in lines[-3][-2:]} == {Decimal(1500)}
        assert lines[-1] == ["Rows", "2"]


def made_of(text: str, amount: Decimal = Decimal(1), rows: int = 1) -> Report:
    """A report of one name and one amount, so many times."""
    series = func.generate_series(1, rows).table_valued("number")
    return replace(
        TRIAL_BALANCE,
        params=(),
        sql=lambda _: select(
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
    [line] = table_of(lines_of(as_csv, FileFormat.CSV), report)
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

    [line] = table_of(lines_of(as_xlsx, FileFormat.XLSX), report)
    assert line[1] == "9999999999999999.99"


def test_totals_that_disagree_are_told_in_the_file(session: Session) -> None:
    report = replace(made_of("Wrong"), foots=lambda _: False)

    lines = lines_of(written(session, report, {}, FileFormat.CSV), FileFormat.CSV)

    assert ["The totals of KES do not agree: the books are wrong."] in lines


def test_more_rows_than_a_file_has_are_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ROWS_MAX", 10)
    written(session, made_of("Many", rows=10), {}, FileFormat.CSV)

    with pytest.raises(reports.ReportTooLong):
        written(session, made_of("Many", rows=11), {}, FileFormat.CSV)


@pytest.mark.parametrize("kind", FileFormat)
def test_more_rows_need_no_more_memory(session: Session, kind: FileFormat) -> None:
    def peak(rows: int) -> int:
        with tempfile.TemporaryFile() as out:
            tracemalloc.start()
            reports.write(session, made_of("Row", rows=rows), {}, kind, out)
            _, found = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return found

    bytes_a_row = (peak(6000) - peak(2000)) / 4000
    assert bytes_a_row < 150
