"""Query and rows of a declared report on the wire, made from its declaration."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import marshmallow as ma

from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.reports import Report
from pettycash.web.schemas.fields import Amount, Choice, Day, Schema

FIELDS: Mapping[type[Any], Callable[..., ma.fields.Field[Any]]] = {
    UUID: ma.fields.UUID,
    date: Day,
    Decimal: Amount,
    str: ma.fields.String,
}


def query_of(report: Report, name: str) -> type[Schema]:
    """The parameters of a report, and the format in which it is wanted."""
    fields: dict[str, ma.fields.Field[Any]] = {
        each.name: _field(each.kind, load_default=None, metadata={"description": each.description})
        for each in report.params
    }
    fields["format"] = Choice(
        FileFormat, load_default=None, metadata={"description": "A file; default: JSON."}
    )
    return _schema(name, fields, "Parameters of the report.")


def row_of(report: Report, name: str) -> type[Schema]:
    """A row of a report, with the lists that its figures are added up from."""
    fields: dict[str, ma.fields.Field[Any]] = {
        each.name: _field(each.kind, dump_only=True) for each in report.columns
    }
    fields["links"] = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        dump_only=True,
        metadata={"description": "By column, the list whose rows add up to the figure."},
    )
    return _schema(name, fields, "A row of the report.")


def _field(kind: type[Any], **options: Any) -> ma.fields.Field[Any]:
    return Choice(kind, **options) if issubclass(kind, StrEnum) else FIELDS[kind](**options)


def _schema(name: str, fields: dict[str, ma.fields.Field[Any]], doc: str) -> type[Schema]:
    made: type[Schema] = type(f"{name}Schema", (Schema,), {**fields, "__doc__": doc})
    return made
