"""Lists: query, scope, filters, search, orders and export from one declaration.

    PAYMENTS = Listing(
        "payments.list",
        select(Payment),
        scope=visibility.payments,
        filters={
            "status": many(Payment.status),
            **between("amount", Payment.amount),
            **days(Payment.created_at),
            **days(Payment.paid_at, "paid"),
        },
        find=Find(exact=(Payment.number,), payees=(Payment.payee_name,)),
        orders={"newest": (Payment.id.desc(),)},
    )
    page(uow, PAYMENTS, {"status": [PaymentStatus.FAILED]})

A page costs the same wherever it stands in the table: an order ends with a unique column and holds
no nullable one. The first order is the one that a list has when nobody names another.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer
from sqlakeyset import InvalidPage, select_page
from sqlalchemy import ColumnElement, Enum, Select, and_, false, not_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from pettycash.models.access import User
from pettycash.runtime import clock, errors, settings
from pettycash.services.foundation import company_settings, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200
EXPORT_PAGE_SIZE = 500
WORDS_MAX = 10


class CursorInvalid(errors.RuleViolation):
    """The cursor is not one of this list with these filters; begin again without it."""

    code = "request.cursor_invalid"


Condition = ColumnElement[bool]
Where = Callable[[Any, Uow], Condition]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One parameter of a list: the shape of its value, and the condition that it makes."""

    kind: type
    where: Where
    several: bool = False
    """It may be given again and again, and any of its values will do."""
    longest: int = 200
    """Of a text."""
    aliases: Mapping[str, StrEnum] = field(default_factory=dict)
    description: str = ""
    not_before: str | None = None
    """The parameter with which a range of days begins that this one ends."""


def exact(column: Any, kind: type | None = None, *, longest: int = 200, text: str = "") -> Filter:
    """Rows whose column is this value."""
    return Filter(
        kind=kind or _kind_of(column),
        where=lambda value, _uow: column == value,
        longest=longest,
        description=text,
    )


def many(
    column: Any,
    kind: type | None = None,
    *,
    aliases: Mapping[str, StrEnum] | None = None,
    text: str = "",
) -> Filter:
    """Rows whose column is any of these values."""
    return Filter(
        kind=kind or _kind_of(column),
        where=lambda values, _uow: column.in_(values),
        several=True,
        aliases=aliases or {},
        description=text,
    )


def flag(
    condition: Condition | InstrumentedAttribute[bool] | Callable[[datetime], Condition],
    *,
    text: str = "",
) -> Filter:
    """Rows of which the condition is true, or of which it is not."""

    def where(value: bool, uow: Uow) -> Condition:
        found = condition(uow.now) if callable(condition) else condition
        return and_(found) if value else not_(found)

    return Filter(kind=bool, where=where, description=text)


def between(name: str, column: Any) -> Mapping[str, Filter]:
    """Amounts: `min_…` and `max_…`, both inclusive."""
    return {
        f"min_{name}": Filter(
            kind=Decimal, where=lambda value, _uow: column >= value, description="At least."
        ),
        f"max_{name}": Filter(
            kind=Decimal, where=lambda value, _uow: column <= value, description="At most."
        ),
    }


def days(
    column: Any, name: str | None = None, *, where: Condition | None = None
) -> Mapping[str, Filter]:
    """Days, both inclusive: `from` and `to` or, of what has a name, `paid_from` and `paid_to`.

    A column of instants is compared with the company's days, one of dates as it is. `where` says of
    which rows it is such a day.
    """
    before = "" if name is None else f"{name}_"
    dated = _kind_of(column) is date
    counted = true() if where is None else where

    def begins(value: date, uow: Uow) -> Condition:
        edge = value if dated else _bounds(value, uow)[0]
        return and_(counted, column >= edge)

    def ends(value: date, uow: Uow) -> Condition:
        if dated:
            return and_(counted, column <= value)
        return and_(counted, column < _bounds(value, uow)[1])

    return {
        f"{before}from": Filter(kind=date, where=begins, description="First day."),
        f"{before}to": Filter(
            kind=date, where=ends, description="Last day.", not_before=f"{before}from"
        ),
    }


def since(column: Any) -> Filter:
    """Rows whose instant is this one or a later one."""
    return Filter(
        kind=datetime,
        where=lambda value, _uow: column >= value,
        description="Made or changed at this instant or later.",
    )


@dataclass(frozen=True, kw_only=True)
class Find:
    """Where `q` looks."""

    words: Sequence[Any] = ()
    """Each word of `q` stands in one of these, in any case; % and _ mean themselves."""
    payees: Sequence[Any] = ()
    """The same, for readers to whom payees are shown: of all that is masked for the others."""
    exact: Sequence[Any] = ()
    """The whole of `q` is one of these, in capitals or as it was typed."""
    text: str = "Words to look for, in any case."

    def condition(self, q: str, actor: Actor) -> Condition:
        """Rows in which `q` is found; a blank one is no search."""
        if not q.strip():
            return true()
        searched = [*self.words, *(self.payees if visibility.sees_payees(actor) else ())]
        whole = [column.in_({q, q.upper()}) for column in self.exact]
        if not searched:
            return or_(false(), *whole)
        each = [
            or_(*(column.icontains(word, autoescape=True) for column in searched))
            for word in q.split()[:WORDS_MAX]
        ]
        return or_(and_(*each), *whole)


Show = Callable[[Uow, Sequence[Any]], Sequence[Any]]


def everything(_actor: Actor) -> Condition:
    """No scope but the company, which row security keeps: readers of the list see all of it."""
    return true()


def as_they_are(_uow: Uow, rows: Sequence[Any]) -> Sequence[Any]:
    """Rows are shown by their columns."""
    return rows


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list as API, console, reports and exports read it."""

    name: str
    """The operation that reaches it."""
    query: Select[*tuple[Any, ...]] | Callable[[Uow], Select[*tuple[Any, ...]]]
    orders: Mapping[str, Sequence[Any]]
    scope: Callable[[Actor], Condition] = everything
    filters: Mapping[str, Filter] = field(default_factory=dict)
    find: Find | None = None
    show: Show = as_they_are
    """Makes items of a page's rows: entities where the query selects one thing, else tuples."""
    columns: Sequence[str] = ()
    """Attributes of an item that a table or an export shows, in order."""
    people: Sequence[str] = ()
    """Attributes of an item that hold ids of persons, whose names the page gives."""
    hides_people: bool = False
    """Names are given to those who see payees: one of these persons may be the payee."""


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """Items, how to go on, and the names of persons that stand in them."""

    items: Sequence[Any]
    next_cursor: str | None
    people: Mapping[UUID, str]


def page(
    uow: Uow, listing: Listing, arguments: Mapping[str, Any] | None = None, **within: Any
) -> ListPage:
    """One page; `arguments` are filters by name, and `q`, `order`, `limit`, `cursor`.

    `within` are filters too: what the list is a part of.

    Raises:
        CursorInvalid: tampered with, of another list, other filters, or another company.
    """
    given = _given(arguments) | within
    cursor = given.pop("cursor", None)
    size = given.pop("limit", PAGE_SIZE)
    signer = _signer(listing, given, uow.actor)
    marker = None
    if cursor is not None:
        try:
            marker = signer.loads(cursor)
        except BadData as error:
            raise CursorInvalid from error
    rows, bookmark = _rows(uow, listing, given, size=size, marker=marker)
    items = listing.show(uow, rows)
    return ListPage(
        items=items,
        next_cursor=None if bookmark is None else signer.dumps(bookmark),
        people=names(uow, listing, items),
    )


def one(uow: Uow, listing: Listing, row_id: UUID) -> dict[str, Any] | None:
    """The item of one row, with the names of its persons; None where the list has none such."""
    query = _query(uow, listing, {})
    model = query.column_descriptions[0]["entity"]
    row = uow.session.execute(query.where(model.id == row_id)).one_or_none()
    if row is None:
        return None
    (item,) = listing.show(uow, [row[0] if len(row) == 1 else row])
    return detailed(uow, listing, item)


def detailed(uow: Uow, listing: Listing, item: Any) -> dict[str, Any]:
    """An item by its columns, with the names of the persons in it."""
    facts = item
    if not isinstance(item, Mapping):
        facts = {each.key: getattr(item, each.key) for each in type(item).__mapper__.column_attrs}
    return {**facts, "people": names(uow, listing, [item])}


def export(
    uow: Uow, listing: Listing, arguments: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """All rows of a list by column, page by page; beside the id of a person stands the name."""
    given = _given(arguments)
    bookmark: str | None = None
    while True:
        rows, bookmark = _rows(uow, listing, given, size=EXPORT_PAGE_SIZE, marker=bookmark)
        items = listing.show(uow, rows)
        yield from exported_rows(listing, items, names(uow, listing, items))
        if bookmark is None:
            return


def exported(listing: Listing) -> list[str]:
    """The columns of an export: behind the id of a person stands the name."""
    found = []
    for column in listing.columns:
        found.append(column)
        if column in listing.people:
            found.append(_named(column))
    return found


def exported_rows(
    listing: Listing, items: Sequence[Any], known: Mapping[UUID, str]
) -> Iterator[dict[str, Any]]:
    """Items by exported column; `known` are names of persons by id."""
    for item in items:
        row = {column: value_of(item, column) for column in listing.columns}
        named = {_named(each): known.get(row[each]) for each in listing.people if each in row}
        yield row | named


def _named(column: str) -> str:
    return f"{column.removesuffix('_id')}_name"


def names(uow: Uow, listing: Listing, items: Sequence[Any]) -> Mapping[UUID, str]:
    """The names of the persons in these items, by id."""
    if listing.hides_people and not visibility.sees_payees(uow.actor):
        return {}
    ids = {value_of(item, name) for item in items for name in listing.people} - {None}
    return people(uow.session, ids)


def people(session: Session, ids: set[UUID]) -> Mapping[UUID, str]:
    """The names of these members of the company, by id."""
    if not ids:
        return {}
    named = select(User.id, User.display_name).where(User.id.in_(ids))
    return {row.id: row.display_name for row in session.execute(named)}


def value_of(item: Any, name: str) -> Any:
    """An attribute of an item, be it a mapping or a row."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name)


def _bounds(day: date, uow: Uow) -> tuple[datetime, datetime]:
    """The beginning and end of a day of the company."""
    return clock.day_bounds(day, company_settings.current(uow.session).timezone)


def _given(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (arguments or {}).items() if value is not None}


def _query(uow: Uow, listing: Listing, given: Mapping[str, Any]) -> Select[*tuple[Any, ...]]:
    query = listing.query if isinstance(listing.query, Select) else listing.query(uow)
    conditions = [listing.scope(uow.actor)]
    for name, value in given.items():
        if name == "q" and listing.find is not None:
            conditions.append(listing.find.condition(value, uow.actor))
        elif name != "order":
            conditions.append(listing.filters[name].where(value, uow))
    return query.where(*conditions)


def _rows(
    uow: Uow, listing: Listing, given: Mapping[str, Any], *, size: int, marker: str | None
) -> tuple[Sequence[Any], str | None]:
    query = _query(uow, listing, given)
    order = listing.orders[given.get("order", next(iter(listing.orders)))]
    try:
        found = select_page(uow.session, query.order_by(*order), per_page=size, page=marker)
    except (InvalidPage, ValueError) as error:
        raise CursorInvalid from error
    is_single = len(query.column_descriptions) == 1
    rows = [row[0] if is_single else row for row in found]
    return rows, found.paging.bookmark_next if found.paging.has_next else None


def _signer(listing: Listing, given: Mapping[str, Any], actor: Actor) -> URLSafeSerializer:
    """A signature over bookmark, list, filters and company: a cursor is good where it was given."""
    place = [listing.name, sorted(given.items()), actor.company_id]
    digest = hashlib.sha256(json.dumps(place, default=str).encode()).hexdigest()
    return URLSafeSerializer(
        settings.current().cursor_key,
        salt=f"cursor:{digest}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )


def _kind_of(column: Any) -> type:
    """The Python type of a column's values: its enum where it has one."""
    stored = column.type
    if isinstance(stored, Enum) and stored.enum_class is not None:
        return stored.enum_class
    kind: type = stored.python_type
    return kind
