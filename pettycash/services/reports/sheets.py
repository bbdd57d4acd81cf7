"""A report or a list as a sheet: head, rows and foot, line after line.

Its head says whose it is, of what, by whom and when; its foot has the number of rows and the
SHA-256 of the table, the same in each format, so that a print can be compared with a file.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pettycash.models.access import Company
from pettycash.runtime import errors, money
from pettycash.services.foundation import company_settings, listings
from pettycash.services.foundation.listings import Listing
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import (
    Col,
    Money,
    Number,
    Part,
    Report,
    Row,
    Split,
    Values,
    check,
    parts,
)

ROWS_MAX = 1_000_000


class ReportTooLong(errors.RuleViolation):
    """A report has at most 1,000,000 rows; narrow its period or its filters."""

    code = "report.too_many_rows"


class Figure(NamedTuple):
    """A number; an amount has the decimals of its currency."""

    value: Decimal | int
    currency: str | None

    @property
    def text(self) -> str:
        """Its plain digits."""
        if self.currency is None:
            return str(self.value)
        return money.text(Decimal(self.value), self.currency)

    @property
    def grouped(self) -> str:
        """The same as people read it."""
        return f"{Decimal(self.text):,}"


Cell = str | Figure
Line = tuple[Sequence[Cell], bool]
"""Its cells, and whether it stands out."""
Counter = Callable[[int], None]
"""Told how many rows are written: it may refuse more."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a writer gets: the title, the titles of columns, and all lines, head and foot too."""

    title: str
    made_at: datetime
    titles: Sequence[str]
    head: Sequence[Sequence[str]]
    rows: Iterator[Line]
    """Rows and totals, then the foot; no line of it is held."""

    def lines(self) -> Iterator[Line]:
        """Every line, from the first to the last."""
        for cells in self.head:
            yield cells, False
        yield [], False
        yield self.titles, True
        yield from self.rows


def up_to(most: int, refusal: type[errors.PettycashError]) -> Counter:
    """Refuse rows beyond so many."""

    def count(written: int) -> None:
        if written > most:
            raise refusal

    return count


def sheet_of(uow: Uow, report: Report, values: Values, counted: Counter) -> Sheet:
    """A report as a sheet; it refuses what is not in the reader's scope before its first row."""
    shown = [each for each in report.columns if each.title is not None]
    names = {each.name: each.names(uow) for each in shown if isinstance(each, Split)}
    titles = [title for each in shown for title in names.get(each.name, [each.title or ""])]
    zone = _zone(uow)

    def cells(row: Row) -> Iterator[Cell]:
        for each in shown:
            value = row[each.name]
            if isinstance(each, Split):
                found = value or {}
                for name in names[each.name]:
                    yield _figure(found.get(name), row["currency"])
            elif isinstance(each, Money):
                yield _figure(value, row["currency"])
            elif isinstance(each, Number):
                yield _figure(value, None)
            else:
                yield _text(value, zone)

    def rows() -> Iterator[Line]:
        for part in parts(uow, report, values):
            for row in part:
                yield list(cells(row)), False
            if part.totals:
                yield _totals(part, shown, names), True
            if not part.foots:
                yield [f"The totals of {part.currency} do not agree: the books are wrong."], True

    asked = check(uow, report, values)
    return _sheet(uow, title=report.title, titles=titles, asked=asked, rows=rows(), counted=counted)


def list_sheet(
    uow: Uow,
    listing: Listing,
    *,
    title: str,
    asked: Mapping[str, str],
    items: Iterable[Mapping[str, Any]],
    counted: Counter,
) -> Sheet:
    """The rows of a list as a sheet: its columns, beside the id of a person the name."""
    names = listings.exported(listing)
    zone = _zone(uow)

    def rows() -> Iterator[Line]:
        for item in items:
            currency = item.get("currency")
            yield [_any(item[name], currency, zone) for name in names], False

    return _sheet(uow, title=title, titles=names, asked=asked, rows=rows(), counted=counted)


def _sheet(
    uow: Uow,
    *,
    title: str,
    titles: Sequence[str],
    asked: Mapping[str, str],
    rows: Iterator[Line],
    counted: Counter,
) -> Sheet:
    company = uow.session.get_one(Company, uow.actor.company_id)
    zone = _zone(uow)
    made_at = uow.now.astimezone(zone)
    head = [
        [title],
        ["Company", f"{company.code} {company.name}"],
        *([name, words] for name, words in asked.items()),
        ["Made at", f"{made_at:%Y-%m-%d %H:%M:%S} {zone.key}"],
        ["Made by", listings.people(uow.session, {uow.actor.user_id}).get(uow.actor.user_id, "")],
    ]
    return Sheet(
        title=title, made_at=uow.now, titles=titles, head=head, rows=_with_foot(rows, counted)
    )


def _with_foot(rows: Iterator[Line], counted: Counter) -> Iterator[Line]:
    written, digest = 0, hashlib.sha256()
    for cells, is_bold in rows:
        if not is_bold:
            written += 1
            counted(written)
        texts = [each.text if isinstance(each, Figure) else each for each in cells]
        digest.update(json.dumps(texts).encode())
        yield cells, is_bold
    yield [], False
    yield ["Rows", str(written)], False
    yield ["SHA-256", digest.hexdigest()], False


def _zone(uow: Uow) -> ZoneInfo:
    return ZoneInfo(company_settings.current(uow.session).timezone)


def _figure(value: Any, currency: str | None) -> Cell:
    if value is None:
        return ""
    return Figure(Decimal(value) if isinstance(value, str) else value, currency)


def _text(value: Any, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
    return str(value)


def _any(value: Any, currency: str | None, zone: ZoneInfo) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return Figure(value, currency)
    if isinstance(value, int):
        return Figure(value, None)
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return _text(value, zone)


def _totals(part: Part, shown: Sequence[Col], names: Mapping[str, Sequence[str]]) -> list[Cell]:
    cells: list[Cell] = []
    for each in shown:
        if isinstance(each, Split):
            of = [part.totals.get(each.total(name)) for name in names[each.name]]
            cells += [_figure(total, part.currency) for total in of]
        else:
            currency = part.currency if isinstance(each, Money) else None
            cells.append(_figure(part.totals.get(each.name), currency))
    cells[0] = f"Total {part.currency}".rstrip()
    return cells
