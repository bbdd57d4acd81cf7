"""Lists over HTTP: the query schema and the page schema follow from a `services.listings.Listing`.

@blp.arguments(query_of(PAYMENTS), location="query")
@blp.response(200, page_of(PaymentSchema), example=example_page(EXAMPLE_PAYMENT))
def get(self, arguments):
    with transaction() as session:
        return page(session, PAYMENTS, current_actor(), arguments)
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import marshmallow as ma

from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.foundation.listings import Filter, Listing
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Day,
    ListQuery,
    People,
    Schema,
    Text,
    UtcDateTime,
    in_order,
)


def query_of(
    listing: Listing, *, without: tuple[str, ...] = (), required: tuple[str, ...] = ()
) -> type[Schema]:
    """The schema of a list's query; `without` is what the path says, `required` what must stand."""
    taken = {name: each for name, each in listing.filters.items() if name not in without}
    fields: dict[str, Any] = {
        name: _field(each, required=name in required) for name, each in taken.items()
    }
    if listing.find is not None:
        fields["q"] = Text(
            longest=100, load_default=None, metadata={"description": listing.find.text}
        )
    if len(listing.orders) > 1:
        fields["order"] = ma.fields.String(
            load_default=None,
            validate=ma.validate.OneOf(list(listing.orders)),
            metadata={"description": f"`{next(iter(listing.orders))}` unless it is given."},
        )
    if listing.columns:
        fields["format"] = Choice(
            FileFormat, load_default=None, metadata={"description": "All rows as a file."}
        )
    ends = {name: each.not_before for name, each in taken.items() if each.not_before}
    if ends:
        fields["check_days"] = in_order(ends)
    words = listing.name.replace(".", "_").split("_")
    return type(f"{''.join(word.title() for word in words)}Query", (ListQuery,), fields)


_FIELDS: Mapping[type, type[ma.fields.Field[Any]]] = {
    UUID: ma.fields.UUID,
    bool: ma.fields.Boolean,
    int: ma.fields.Integer,
    date: Day,
    datetime: UtcDateTime,
}


def _field(taken: Filter, *, required: bool) -> ma.fields.Field[Any]:
    options: dict[str, Any] = {"required": True} if required else {"load_default": None}
    if taken.description:
        options["metadata"] = {"description": taken.description}
    inner = {} if taken.several else options
    found: ma.fields.Field[Any]
    if issubclass(taken.kind, StrEnum):
        found = Choice(taken.kind, aliases=taken.aliases, **inner)
    elif taken.kind is str:
        found = Text(longest=taken.longest, **inner)
    elif taken.kind is Decimal:
        found = Amount(zero=True, **inner)
    else:
        found = _FIELDS[taken.kind](**inner)
    return ma.fields.List(found, **options) if taken.several else found


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
            "people": People(),
        }
        _PAGES[item] = type(f"{name}PageSchema", (Schema,), fields)
    return _PAGES[item]


_PAGES: dict[type[ma.Schema], type[Schema]] = {}


def detail_of(item: type[ma.Schema]) -> type[ma.Schema]:
    """The schema of one such item, with the names of the persons in it."""
    if item not in _DETAILS:
        facts = {"__doc__": item.__doc__, "people": People(required=False)}
        name = f"One{item.__name__.removesuffix('Schema')}Schema"
        _DETAILS[item] = type(name, (item,), facts)
    return _DETAILS[item]


_DETAILS: dict[type[ma.Schema], type[ma.Schema]] = {}


def example_page(item: Mapping[str, Any]) -> dict[str, Any]:
    """The example of a page in the OpenAPI document."""
    return {"items": [dict(item)], "next_cursor": None, "people": {}}
