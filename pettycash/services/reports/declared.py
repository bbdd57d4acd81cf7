"""A report: SQL, columns, links and totals, declared once for page and files.

Currencies are never added up: a report whose rows have several is cut into parts, each with its
totals. Rows come from a server-side cursor, so that a million need no more memory than ten.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import RowMapping, Select

from pettycash.services.foundation.uow import Uow

Row = RowMapping | Mapping[str, Any]
Values = Mapping[str, Any]
"""Parameters by name; None where one is left out."""
Totals = dict[str, Decimal]
Source = Select[*tuple[Any, ...]] | Iterable[Row]
"""Where rows come from: a query, or rows that are worked out; by currency in either case."""

FETCHED_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Param:
    """A parameter that a reader may give: a day, a word of an enum, or an id."""

    name: str
    title: str
    kind: type[Any]
    description: str
    default: str
    """Its words in the head of a file where the reader gives none."""
    words: Callable[[Uow, Any], str] | None = None
    """Its words where the reader gives one; it refuses what is not in the reader's scope."""
    not_before: str | None = None
    """The parameter with which a range of days begins that this one ends."""


Given = str | Callable[[Row, Values], Any]


@dataclass(frozen=True, kw_only=True)
class Link:
    """A list or finer report under the same filter, whose rows add up to the figure."""

    path: str
    """With the key of the row in it where it leads to the one thing that the figure is of."""
    query: Mapping[str, Given] = field(default_factory=dict)
    """Parameter there → column or parameter here, or what it follows from; one without a value is
    left out."""
    adds: Sequence[str] = ()
    """Columns there that add up to the figure, `-` before one that is taken off; none: its rows are
    counted."""

    def to(self, row: Row, values: Values) -> str:
        """Path and query for the figure in this row."""
        known = {**values, **row}
        given = {
            name: known[source] if isinstance(source, str) else source(row, values)
            for name, source in self.query.items()
        }
        query = {name: value for name, value in given.items() if value is not None}
        path = self.path.format(**known)
        return f"{path}?{urlencode(query, doseq=True)}" if query else path


@dataclass(frozen=True)
class Col:
    """A column of text. Without a title it is for programs, and stands in no file."""

    name: str
    title: str | None = None
    kind: type[Any] = str
    link: Link | None = None


@dataclass(frozen=True)
class Number(Col):
    """A column of numbers that are no money."""

    kind: type[Any] = int
    total: bool = False


@dataclass(frozen=True)
class Money(Col):
    """A column of amounts in the row's `currency`."""

    kind: type[Any] = Decimal
    total: bool = True


@dataclass(frozen=True, kw_only=True)
class Split(Col):
    """One column of amounts for each name: the row holds them by name, and no other names."""

    kind: type[Any] = Mapping
    names: Callable[[Uow], Sequence[str]]

    def total(self, name: str) -> str:
        """What the total of a name is called."""
        return f"{self.name}.{name}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A declared report. Its rows have a `currency` and are ordered by it first."""

    name: str
    title: str
    summary: str
    """What it says, in a sentence."""
    permission: str
    """The operation whose roles may read it; its query keeps it within their scope."""
    params: tuple[Param, ...]
    sql: Callable[[Uow, Values], Source]
    columns: tuple[Col, ...]
    foots: Callable[[Totals], bool] = lambda _: True
    """Whether the totals of a part agree, as they do at any range of sound books."""
    as_pdf: bool = False

    @property
    def path(self) -> str:
        """Where the API has it."""
        return path_of(self.name)

    @property
    def totalled(self) -> tuple[str, ...]:
        """The columns that are added up."""
        return tuple(
            each.name for each in self.columns if isinstance(each, Money | Number) and each.total
        )


def path_of(name: str) -> str:
    """Where the API has a report of this name."""
    return f"/api/reports/{name}/"


@dataclass(kw_only=True)
class Part:
    """The rows of one currency, read once; `totals` are whole when the last row was read."""

    report: Report
    currency: str
    found: Iterator[Row]
    totals: Totals = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        self.totals.update(dict.fromkeys(self.report.totalled, Decimal(0)))
        splits = [each for each in self.report.columns if isinstance(each, Split)]
        for row in self.found:
            for name in self.report.totalled:
                self.totals[name] += row[name] or 0
            for split in splits:
                for name, amount in (row[split.name] or {}).items():
                    key = split.total(name)
                    self.totals[key] = self.totals.get(key, Decimal(0)) + Decimal(amount)
            yield row

    @property
    def foots(self) -> bool:
        """Whether the totals agree; if they do not, the books are wrong."""
        return self.report.foots(self.totals)


def parts(uow: Uow, report: Report, values: Values) -> Iterator[Part]:
    """The report, part by part; each is read to its end before the next one."""
    for currency, found in groupby(_rows(uow, report, values), key=lambda row: row["currency"]):
        yield Part(report=report, currency=currency or "", found=found)


def _rows(uow: Uow, report: Report, values: Values) -> Iterator[Row]:
    source = report.sql(uow, values)
    if isinstance(source, Select):
        streamed = {"yield_per": FETCHED_AT_ONCE}
        with uow.session.execute(source, execution_options=streamed) as result:
            yield from result.mappings()
    else:
        yield from source


def check(uow: Uow, report: Report, values: Values) -> dict[str, str]:
    """By parameter the words for what was given, of what is in the reader's scope."""
    words = {}
    for param in report.params:
        value = values[param.name]
        if value is None:
            words[param.title] = param.default
        else:
            words[param.title] = str(value) if param.words is None else param.words(uow, value)
    return words


def drill(report: Report, row: Row, values: Values) -> dict[str, str]:
    """By column, where the rows are that add up to this row's figures; nought leads nowhere."""
    return {
        each.name: each.link.to(row, values)
        for each in report.columns
        if each.link is not None and row[each.name]
    }
