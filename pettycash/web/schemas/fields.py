"""Fields and the base schema that every shape is built from."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from unicodedata import category

import marshmallow as ma
from marshmallow.utils import get_value

from pettycash.runtime import money
from pettycash.services.foundation import listings, text_validation

E = TypeVar("E", bound=StrEnum)

AMOUNT_PATTERN = r"^(?!0(\.0{1,2})?$)(0|[1-9][0-9]{0,15})(\.[0-9]{1,2})?$"
AMOUNT_OR_ZERO_PATTERN = r"^(0|[1-9][0-9]{0,15})(\.[0-9]{1,2})?$"
SIGNED_AMOUNT_PATTERN = r"^-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,2})?$"

EARLIEST_DAY = date(2000, 1, 1)
LATEST_DAY = date(2199, 12, 31)
"""Days outside of these are typing errors; they would leave what a time zone can reckon with."""


SOMETIMES = "sometimes"
"""In a field's metadata: answers may leave the field out; otherwise they have them all."""


class Schema(ma.Schema):
    """Base of every shape: an unknown field is an error, not silence."""

    class Meta:
        unknown = ma.RAISE


def taken(schema: type[ma.Schema], word: str = "Input") -> type[ma.Schema]:
    """A shape as a request may send it: without what only answers show."""
    shown = tuple(name for name, field in schema._declared_fields.items() if field.dump_only)
    if not shown:
        return schema
    name = f"{schema.__name__.removesuffix('Schema')}{word}Schema"
    options = type("Meta", (schema.Meta,), {"exclude": shown})
    return type(name, (schema,), {"__doc__": schema.__doc__, "Meta": options})


def in_order(ends: Mapping[str, str]) -> Any:
    """A check that no range of days ends before it begins; by last day the first."""

    def check_days(_schema: Schema, data: Mapping[str, Any], **_kwargs: Any) -> None:
        for last, first in ends.items():
            if data.get(first) and data.get(last) and data[first] > data[last]:
                raise ma.ValidationError(f"It can't be before `{first}`.", last)

    return ma.validates_schema(check_days)


class Amount(ma.fields.String):
    """An amount of money: a string in, a string out, never a JSON number.

    Out it has as many decimals as its currency: `currency` names the attribute of the same object
    that holds the code (dots reach further), or is the code itself in capitals.
    """

    def __init__(
        self, *, currency: str = "currency", zero: bool = False, signed: bool = False, **kwargs: Any
    ) -> None:
        self.currency = currency
        self.zero = zero
        metadata = {
            "pattern": AMOUNT_OR_ZERO_PATTERN if zero else AMOUNT_PATTERN,
            "example": "1500.00",
        }
        if signed or kwargs.get("dump_only"):
            metadata["pattern"] = SIGNED_AMOUNT_PATTERN
        super().__init__(**{**kwargs, "metadata": {**metadata, **kwargs.get("metadata", {})}})

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_kwargs: Any) -> str | None:
        del attr
        if value is None:
            return None
        code = self.currency if self.currency.isupper() else get_value(obj, self.currency, None)
        amount = Decimal(value)
        return money.text(amount, str(code)) if code else f"{amount:.2f}"

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any
    ) -> Any:
        del attr, data
        try:
            return money.parse(value, zero=self.zero)
        except money.InvalidAmount as error:
            raise ma.ValidationError(error.detail) from error


class Choice(ma.fields.Enum[E]):
    """A value of an enum: any case in, the enum's own case out."""

    def __init__(
        self, enum: type[E], *, aliases: Mapping[str, E] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(enum, by_value=ma.fields.String, **kwargs)
        self.words = {each.value.casefold(): each for each in enum} | dict(aliases or {})

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any
    ) -> E:
        del attr, data
        found = self.words.get(value.casefold()) if isinstance(value, str) else None
        if found is None:
            raise self.make_error("unknown", choices=self.choices_text)
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_kwargs: Any) -> str | None:
        del attr, obj
        return None if value is None else str(value)


class Choices(ma.fields.List[E]):
    """A filter by values of an enum: it may be given several times, and matches any of them."""

    def __init__(
        self, enum: type[E], *, aliases: Mapping[str, E] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(Choice(enum, aliases=aliases), load_default=None, **kwargs)


class UtcDateTime(ma.fields.AwareDateTime):
    """An instant: with an offset in, in UTC out (RFC 3339)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", default_timezone=None, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime:
        try:
            instant: datetime = super()._deserialize(value, attr, data, **kwargs).astimezone(UTC)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type="datetime") from error
        if not EARLIEST_DAY <= instant.date() <= LATEST_DAY:
            raise ma.ValidationError("The date must lie between the years 2000 and 2199.")
        return instant

    def _serialize(
        self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any
    ) -> str | float | None:
        inner = None if value is None else value.astimezone(UTC)
        return super()._serialize(inner, attr, obj, **kwargs)


class Day(ma.fields.Date):
    """A calendar date, 2000-01-01 to 2199-12-31."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> date:
        day: date = super()._deserialize(value, attr, data, **kwargs)
        if not EARLIEST_DAY <= day <= LATEST_DAY:
            raise ma.ValidationError("The date must lie between the years 2000 and 2199.")
        return day


class Text(ma.fields.String):
    """A text of bounded length, without blanks around it."""

    def __init__(self, *, longest: int = 200, shortest: int = 0, **kwargs: Any) -> None:
        bounds = ma.validate.Length(min=shortest or None, max=longest)
        super().__init__(**{**kwargs, "validate": [bounds, *_several(kwargs.get("validate"))]})

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        return text.strip() if isinstance(text, str) else text


class Name(Text):
    """A name: seen whole, and on one line."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            text_validation.check_name(text, field=attr or "name")
        except text_validation.InvalidText as error:
            raise ma.ValidationError(list(*error.errors.values())) from error
        return text


class MixedScripts(ma.fields.Boolean):
    """Whether letters of several scripts stand in a name: one may imitate another."""

    def __init__(self, name: str) -> None:
        super().__init__(
            attribute=name,
            dump_only=True,
            metadata={"description": f"Letters of several scripts stand in `{name}`: look twice."},
        )

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_kwargs: Any) -> bool:
        del attr, obj
        return text_validation.mixes_scripts(value or "")


class Code(ma.fields.String):
    """A one-time code of six digits, however it is grouped or copied: `123 456`, `123-456`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            validate=ma.validate.Regexp(r"\A[0-9]{6}\Z", error="Six digits."),
            metadata={
                "pattern": "^[0-9]{3}[ -]?[0-9]{3}$",
                "example": "123456",
                **kwargs.pop("metadata", {}),
            },
            **kwargs,
        )

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        between = {"Zs", "Pd", "Cf"}
        return "".join(
            each for each in text if not each.isspace() and category(each) not in between
        )


def _several(validate: Any) -> list[Any]:
    if validate is None:
        return []
    return list(validate) if isinstance(validate, list | tuple) else [validate]


class People(ma.fields.Dict):
    """Names beside the ids of an answer."""

    def __init__(self, *, required: bool = True) -> None:
        super().__init__(
            keys=ma.fields.UUID(),
            values=ma.fields.String(),
            required=required,
            metadata=({} if required else {SOMETIMES: True})
            | {
                "description": "The names of the persons whose ids stand in the answer"
                + ("." if required else "; where it is read, not where it was just changed.")
            },
        )


class Metadata(ma.fields.Dict):
    """A client's own keys: up to 20 short texts by name. Never read by pettycash itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            keys=ma.fields.String(validate=ma.validate.Length(min=1, max=40)),
            values=ma.fields.String(validate=ma.validate.Length(max=200)),
            validate=ma.validate.Length(max=20),
            **kwargs,
        )


class ListQuery(Schema):
    """The parameters that every list takes."""

    limit = ma.fields.Integer(
        load_default=listings.PAGE_SIZE,
        validate=ma.validate.Range(min=1, max=listings.PAGE_SIZE_MAX),
        metadata={"description": f"Items on a page, {listings.PAGE_SIZE_MAX} at most."},
    )
    cursor = ma.fields.String(
        load_default=None,
        validate=ma.validate.Length(max=2000),
        metadata={"description": "`next_cursor` of the page before; opaque."},
    )
