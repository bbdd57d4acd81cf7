"""A report: SQL, columns, links and totals, declared once for page and files.

Currencies are never added up: a report whose rows have several is cut into parts, each with its
totals. Rows come from a server-side cursor, so that a million need no more memory than ten.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import RowMapping, Select
from sqlalchemy.orm import Session

Row = RowMapping
Values = Mapping[str, Any]
"""Parameters by name; None where one is left out."""
Totals = dict[str, Decimal]

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


@dataclass(frozen=True, kw_only=True)
class Link:
    """A list or finer report under the same filter, whose rows add up to the figure."""

    path: str
    query: Mapping[str, str]
    """Parameter there → column or parameter here; one without a value is left out."""

    def to(self, row: Row, values: Values) -> str:
        """Path and query for the figure in this row."""
        known = {**values, **row}
        given = {name: known[source] for name, source in self.query.items()}
        return f"{self.path}?{urlencode({k: v for k, v in given.items() if v is not None})}"


@dataclass(frozen=True)
class Col:
    """A column of text. Without a title it is for programs, and stands in no file."""

    name: str
    title: str | None = None
    kind: type[Any] = str
    link: Link | None = None


@dataclass(frozen=True)
class Money(Col):
    """A column of amounts in the row's `currency`."""

    kind: type[Any] = Decimal
    total: bool = True


@dataclass(frozen=True, kw_only=True)
class Report:
    """A declared report. Its SQL has a column `currency` and is ordered by it first."""

    name: str
    title: str
    permission: str
    """The operation whose roles may read it; row security keeps it within the company."""
    params: tuple[Param, ...]
    sql: Callable[[Values], Select[Any]]
    columns: tuple[Col, ...]
    foots: Callable[[Totals], bool]
    """Whether the totals of a part agree, as they do at any range of sound books."""

    @property
    def totalled(self) -> tuple[str, ...]:
        """The columns that are added up."""
        return tuple(each.name for each in self.columns if isinstance(each, Money) and each.total)


@dataclass(kw_only=True)
class Part:
    """The rows of one currency, read once; `totals` are whole when the last row was read."""

    report: Report
    currency: str
    found: Iterator[Row]
    totals: Totals = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        self.totals.update(dict.fromkeys(self.report.totalled, Decimal(0)))
        for row in self.found:
            for name in self.report.totalled:
                self.totals[name] += row[name]
            yield row

    @property
    def foots(self) -> bool:
        """Whether the totals agree; if they do not, the books are wrong."""
        return self.report.foots(self.totals)


def parts(session: Session, report: Report, values: Values) -> Iterator[Part]:
    """The report, part by part; each is read to its end before the next one."""
    streamed = {"yield_per": FETCHED_AT_ONCE}
    with session.execute(report.sql(values), execution_options=streamed) as result:
        for currency, found in groupby(result.mappings(), key=lambda row: str(row["currency"])):
            yield Part(report=report, currency=currency, found=found)


def drill(report: Report, row: Row, values: Values) -> dict[str, str]:
    """By column, where the rows are that add up to this row's figures."""
    return {
        each.name: each.link.to(row, values) for each in report.columns if each.link is not None
    }
