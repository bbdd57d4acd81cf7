"""Lists by cursor: a page costs the same wherever it stands in the table.

    with transaction() as session:
        query = select(Payment).where(visibility.payments(actor))
        return page(session, query, order=(Payment.id.desc(),), arguments=arguments)

`order` ends with a unique column and holds no nullable one. Newest first by id (UUIDv7) is the
order of every list that has no better one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import request
from itsdangerous import BadData, URLSafeSerializer
from sqlakeyset import InvalidPage, select_page
from sqlalchemy import ColumnElement, Select, and_, or_, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from pettycash.api.admission import current_actor
from pettycash.api.schemas.fields import CursorInvalid, Schema
from pettycash.runtime import clock, settings

LIMIT_DEFAULT = 50


def page(
    session: Session,
    query: Select[*tuple[Any, ...]],
    *,
    order: Sequence[Any],
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """One page: `items` (entities where the query selects one thing, else rows), `next_cursor`.

    Raises:
        CursorInvalid: tampered with, of another list, other filters, or another company.
    """
    signer = _signer(arguments)
    marker = None
    if arguments.get("cursor"):
        try:
            marker = signer.loads(arguments["cursor"])
        except BadData as error:
            raise CursorInvalid from error
    try:
        found = select_page(
            session,
            query.order_by(*order),
            per_page=arguments.get("limit") or LIMIT_DEFAULT,
            page=marker,
        )
    except (InvalidPage, ValueError) as error:
        raise CursorInvalid from error
    single = len(query.column_descriptions) == 1
    return {
        "items": [row[0] if single else row for row in found],
        "next_cursor": (
            signer.dumps(found.paging.bookmark_next) if found.paging.has_next else None
        ),
    }


def _signer(arguments: Mapping[str, Any]) -> URLSafeSerializer:
    """A signature over bookmark, list, filters and company: a cursor is good where it was given."""
    filters = {
        name: value for name, value in sorted(arguments.items()) if name not in ("limit", "cursor")
    }
    place = [
        request.url_rule.rule if request.url_rule else request.path,
        request.view_args,
        filters,
        current_actor().company_id,
    ]
    digest = hashlib.sha256(json.dumps(place, sort_keys=True, default=str).encode()).hexdigest()
    return URLSafeSerializer(
        settings.current().cursor_key,
        salt=f"cursor:{digest}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )


def page_of(item: type[ma.Schema]) -> type[Schema]:
    """The schema of a page of such items; the same class whenever it is asked for."""
    if item not in _PAGES:
        name = item.__name__.removesuffix("Schema")
        fields = {
            "items": ma.fields.List(ma.fields.Nested(item), required=True),
            "next_cursor": ma.fields.String(
                required=True,
                allow_none=True,
                metadata={"description": "For `?cursor=`; null on the last page."},
            ),
        }
        _PAGES[item] = type(f"{name}PageSchema", (Schema,), fields)
    return _PAGES[item]


_PAGES: dict[type[ma.Schema], type[Schema]] = {}


def matches(words: str | None, *columns: Any) -> ColumnElement[bool]:
    """`?q=`: every word stands in one of the columns, in any case; % and _ mean themselves."""
    if not words:
        return true()
    return and_(
        *(
            or_(*(column.icontains(word, autoescape=True) for column in columns))
            for word in words.split()[:10]
        )
    )


def within_days(
    column: ColumnElement[Any] | InstrumentedAttribute[Any],
    arguments: Mapping[str, Any],
    timezone: str,
) -> ColumnElement[bool]:
    """`?from=` and `?to=`: company-time days, both inclusive, on a column that holds an instant."""
    conditions: list[ColumnElement[bool]] = []
    if arguments.get("from_"):
        conditions.append(column >= clock.day_bounds(arguments["from_"], timezone)[0])
    if arguments.get("to"):
        conditions.append(column < clock.day_bounds(arguments["to"], timezone)[1])
    return and_(true(), *conditions)


def example_page(item: Mapping[str, Any]) -> dict[str, Any]:
    """The example of a page in the OpenAPI document."""
    return {"items": [dict(item)], "next_cursor": None}


def optional(column: Any, value: UUID | object | None) -> ColumnElement[bool]:
    """A filter that counts only where it is given; of several values any will do."""
    if isinstance(value, list):
        several: ColumnElement[bool] = column.in_(value)
        return several
    return true() if value is None else column == value
