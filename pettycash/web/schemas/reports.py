"""Query and answer of a declared report on the wire, made from its declaration."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import marshmallow as ma

from pettycash.services.foundation.file_formats import FileFormat, PrintFormat
from pettycash.services.reports import Col, Money, Number, Report, Split
from pettycash.web.schemas.fields import Amount, Choice, Day, Schema, Text, UtcDateTime, in_order

FIELDS: Mapping[type[Any], Callable[..., ma.fields.Field[Any]]] = {
    UUID: ma.fields.UUID,
    date: Day,
    datetime: UtcDateTime,
    str: Text,
}
SAMPLES: Mapping[type[Any], Any] = {
    UUID: "01930000-0000-7000-8000-000000000021",
    date: "2026-11-20",
    datetime: "2026-11-20T09:30:00+00:00",
    str: "WESTLANDS",
}
MONEY = {"money": "1500.00"}


def query_of(report: Report) -> type[Schema]:
    """The parameters of a report, and the format in which it is wanted."""
    fields: dict[str, Any] = {
        each.name: _field(each.kind, load_default=None, metadata={"description": each.description})
        for each in report.params
    }
    fields["format"] = Choice(
        PrintFormat if report.as_pdf else FileFormat,
        load_default=None,
        metadata={"description": "A file; default: JSON."},
    )
    ends = {each.name: each.not_before for each in report.params if each.not_before}
    if ends:
        fields["check_days"] = in_order(ends)
    return _schema(report, "Query", fields, "Parameters of the report.")


def answer_of(report: Report) -> type[Schema]:
    """A report as it is read: head, and a part for each currency."""
    rows: dict[str, Any] = {each.name: _column(each) for each in report.columns}
    rows["links"] = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        dump_only=True,
        metadata={"description": "By column, the list whose rows add up to the figure."},
    )
    totals = {each.name: _column(each) for each in report.columns if each.name in report.totalled}
    row = _schema(report, "Row", rows, "A row of the report.")
    part = {
        "currency": ma.fields.String(dump_only=True, allow_none=True),
        "rows": ma.fields.List(ma.fields.Nested(row), dump_only=True),
        "totals": ma.fields.Nested(
            _schema(report, "Totals", totals, "What the columns add up to."), dump_only=True
        ),
        "foots": ma.fields.Boolean(
            dump_only=True,
            metadata={"description": "Whether the totals agree; if not, the books are wrong."},
        ),
    }
    head = {
        "report": ma.fields.String(dump_only=True),
        "title": ma.fields.String(dump_only=True),
        "parameters": ma.fields.Dict(
            keys=ma.fields.String(), values=ma.fields.String(), dump_only=True
        ),
        "made_at": UtcDateTime(dump_only=True),
        "time_zone": ma.fields.String(dump_only=True),
        "rows": ma.fields.Integer(dump_only=True),
        "parts": ma.fields.List(
            ma.fields.Nested(_schema(report, "Part", part, "The rows of one currency.")),
            dump_only=True,
        ),
    }
    return _schema(report, "Report", head, report.summary)


def example_of(report: Report) -> dict[str, Any]:
    """An example of the answer."""
    row = {each.name: _sample(each) for each in report.columns}
    figures = {name: row[name] for name in report.totalled}
    is_money = any(isinstance(each, Money) for each in report.columns)
    return {
        "report": report.name,
        "title": report.title,
        "parameters": {each.title: each.default for each in report.params},
        "made_at": SAMPLES[datetime],
        "time_zone": "Africa/Nairobi",
        "rows": 1,
        "parts": [
            {
                "currency": "KES" if is_money else None,
                "rows": [row | {"links": {}}],
                "totals": figures,
                "foots": True,
            }
        ],
    }


def _column(column: Col) -> ma.fields.Field[Any]:
    options: dict[str, Any] = {"dump_only": True, "allow_none": True}
    if isinstance(column, Split):
        return ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(), **options)
    if isinstance(column, Money):
        return Amount(**options)
    if isinstance(column, Number):
        if column.kind is Decimal:
            return ma.fields.String(**options)
        return ma.fields.Integer(**options)
    return _field(column.kind, **options)


def _sample(column: Col) -> Any:
    if isinstance(column, Split):
        return {"travel": "1500.00"}
    if isinstance(column, Money):
        return "1500.00"
    if isinstance(column, Number):
        return "1.5" if column.kind is Decimal else 3
    if column.name == "currency":
        return "KES"
    if issubclass(column.kind, StrEnum):
        return next(iter(column.kind)).value
    return SAMPLES[column.kind]


def _field(kind: type[Any], **options: Any) -> ma.fields.Field[Any]:
    return Choice(kind, **options) if issubclass(kind, StrEnum) else FIELDS[kind](**options)


def _schema(report: Report, part: str, fields: Mapping[str, Any], doc: str) -> type[Schema]:
    name = "".join(word.title() for word in report.name.split("-"))
    made: type[Schema] = type(f"{name}{part}Schema", (Schema,), {**fields, "__doc__": doc})
    return made
