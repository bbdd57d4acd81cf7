"""Forms: fields from the schema of an operation, and what was typed back into it.

Names are those of problem+json: `lines.0.amount`. A field's length, choices, pattern and whether it
is required come from the schema; a page gives its label and hint, since the schema's are written
for programs. Blanks are left out; an amount may have its thousands apart, and nothing doubtful is
guessed at.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import marshmallow as ma
from flask_smorest.fields import Upload
from werkzeug.datastructures import MultiDict

from pettycash.console.words import at, word
from pettycash.services.foundation.uow import Uow
from pettycash.web import problems
from pettycash.web.schemas.fields import Amount, Code, Day, UtcDateTime

Choices = Sequence[tuple[str, str]]

PLAIN_AMOUNT = re.compile(r"-?\d+(\.\d+)?")
APART_AMOUNT = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")

ROWS_MAX = 100

LEFT_OUT = object()
"""Of a blank: the operation hears nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field as a page asks for it; `fields` are those of each row of a list, or of an object
    whose names the schema leaves open."""

    name: str
    label: str = ""
    hint: str = ""
    choices: Callable[[Uow], Choices] | None = None
    """Where the schema has no enum: rows of the company, such as categories."""
    fields: Sequence["Field"] = ()
    rows: int = 1
    """Of a list, how many stand there at first."""
    is_needed: bool = False
    """Though the schema does without it elsewhere: this act needs it."""
    is_single: bool = False
    """Of a list that takes one of the choices here."""
    is_long: bool = False
    """A text of several lines."""
    is_lines: bool = False
    """Of a list: one a line, in order, for the page to take apart."""
    is_secret: bool = False
    """Of an object's member: it is not shown while it is typed, nor ever again."""
    autofocus: bool = False
    prefix: str = ""
    """What stands before what is typed, such as a currency."""


def asks(name: str, label: str = "", hint: str = "", **options: Any) -> Field:
    """A field of a form."""
    return Field(name=name, label=label, hint=hint, **options)


@dataclass(kw_only=True)
class Input:
    """A field as a template renders it."""

    name: str
    label: str
    hint: str
    kind: str
    """text, long, amount, code, password, choice, flag, day, instant, file, many, rows, group"""
    required: bool
    longest: int | None = None
    choices: Choices = ()
    value: Any = ""
    errors: Sequence[str] = ()
    rows: Sequence[Sequence["Input"]] = ()
    autofocus: bool = False
    prefix: str = ""

    @property
    def id(self) -> str:
        """Of the element."""
        return "f-" + self.name.replace(".", "-")


@dataclass(kw_only=True)
class Form:
    """The fields of an operation with what is in them."""

    schema: ma.Schema
    fields: Sequence[Field]
    uow: Uow
    zone: ZoneInfo
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Adds to what was typed what follows from it."""
    clears: bool = False
    """Whether a blank takes away what stood there, as in a change."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By name with dots, as they stand in the inputs."""
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def inputs(self) -> list[Input]:
        """All of it, in order."""
        return [self._input(each, self.schema, "") for each in self.fields]

    def summary(self, inputs: Sequence[Input]) -> list[tuple[str, str]]:
        """Each error with the id of its field; those of no field have none."""
        known = {each.name: each.id for each in _walk(inputs)}
        return [
            (known.get(name, ""), text if name in known or name == "body" else f"{name}: {text}")
            for name, texts in self.errors.items()
            for text in texts
        ]

    def _input(self, asked: Field, schema: ma.Schema, before: str) -> Input:
        made = schema.fields[asked.name]
        name = before + (made.data_key or asked.name)
        found = Input(
            name=name,
            label=asked.label or word(asked.name.removesuffix("_id")),
            hint=asked.hint,
            kind=_kind(made, asked),
            required=made.required or asked.is_needed,
            longest=_longest(made),
            value=self.values.get(name, ""),
            errors=self.errors.get(name, ()),
            autofocus=asked.autofocus,
            prefix=asked.prefix,
        )
        if found.kind in ("choice", "many"):
            found.choices = _choices(made, asked, self.uow)
        if found.kind == "group":
            found.rows = [[self._member(each, f"{name}.{each.name}") for each in asked.fields]]
        if found.kind == "rows":
            inner = _item(made).schema
            found.rows = [
                [self._input(each, inner, f"{name}.{number}.") for each in asked.fields]
                for number in range(max(asked.rows, _count(self.values, name)))
            ]
        return found

    def _member(self, asked: Field, name: str) -> Input:
        """A member of an object whose names the schema leaves open."""
        choices = asked.choices(self.uow) if asked.choices is not None else ()
        plain = "long" if asked.is_long else "choice" if choices else "text"
        return Input(
            name=name,
            label=asked.label or word(asked.name),
            hint=asked.hint,
            kind="password" if asked.is_secret else plain,
            required=asked.is_needed,
            choices=choices,
            value=self.values.get(name, ""),
            errors=self.errors.get(name, ()),
        )

    def read(
        self, typed: MultiDict[str, str], carried: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What was typed, as the operation's schema takes it; `values` keep it as it was.

        `carried` is what the form brought beside it: a digest, a file.

        Raises:
            ValidationError: what the schema refuses, and amounts that can't be read.
        """
        self.values = {name: values[-1] for name, values in typed.lists()}
        several = {name: values for name, values in typed.lists() if len(values) > 1}
        wrong: dict[str, list[str]] = {}
        data = self._take(self.fields, self.schema, "", several, wrong) | dict(carried or {})
        data = self.prepare(data) if self.prepare else data
        try:
            loaded: dict[str, Any] = self.schema.load(data)
        except ma.ValidationError as error:
            wrong = messages(error) | wrong
        if wrong:
            raise ma.ValidationError(wrong)
        return loaded

    def _take(
        self,
        fields: Sequence[Field],
        schema: ma.Schema,
        before: str,
        several: Mapping[str, Sequence[str]],
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for asked in fields:
            made = schema.fields[asked.name]
            key = made.data_key or asked.name
            name = before + key
            kind = _kind(made, asked)
            if kind == "file":
                continue
            if kind == "group":
                members = {
                    each.name: self.values.get(f"{name}.{each.name}", "") for each in asked.fields
                }
                if any(members.values()):
                    data[key] = {of: value for of, value in members.items() if value}
                continue
            if kind == "rows":
                rows = [
                    self._take(
                        asked.fields, _item(made).schema, f"{name}.{number}.", several, wrong
                    )
                    for number in range(_count(self.values, name))
                ]
                if any(rows):
                    data[key] = [row for row in rows if row]
                continue
            found = self._value(kind, made, name, several.get(name, ()), wrong)
            if found is not LEFT_OUT:
                data[key] = found
        return data

    def _value(
        self,
        kind: str,
        made: ma.fields.Field[Any],
        name: str,
        several: Sequence[str],
        wrong: dict[str, list[str]],
    ) -> Any:
        typed = self.values.get(name, "")
        text = str(typed).strip()
        if kind == "flag":
            is_filter = made.load_default is None
            return LEFT_OUT if is_filter and text == "" else text != ""
        if kind == "many":
            return [each for each in several or [text] if each] or LEFT_OUT
        if kind == "password":
            return typed
        if text == "":
            return None if self.clears and made.allow_none else LEFT_OUT
        if isinstance(made, ma.fields.Integer) and text.isdecimal():
            return int(text)
        if kind == "choice" and isinstance(made, ma.fields.List):
            return [text]
        if kind == "amount":
            return _amount(text, name, wrong)
        return self._instant(text, name, wrong) if kind == "instant" else text

    def _instant(self, text: str, name: str, wrong: dict[str, list[str]]) -> str:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=self.zone).isoformat()
        except ValueError:
            wrong[name] = ["Write a day and a time, such as 2026-11-20 09:30."]
            return text


def _amount(text: str, name: str, wrong: dict[str, list[str]]) -> str:
    if PLAIN_AMOUNT.fullmatch(text):
        return text
    if APART_AMOUNT.fullmatch(text):
        return text.replace(",", "")
    wrong[name] = ["Write an amount such as 1500.00 or 1,500.00."]
    return text


def initial(schema: ma.Schema, fields: Sequence[Field], shown: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a form that changes what is shown."""
    values: dict[str, Any] = {}

    def put(asked: Field, made: ma.fields.Field[Any], name: str, value: Any) -> None:
        if isinstance(value, Mapping) and asked.fields:
            values.update({f"{name}.{of}": str(each) for of, each in value.items()})
        elif isinstance(value, list) and asked.fields:
            for number, row in enumerate(value):
                for each in asked.fields:
                    inner = _item(made).schema.fields[each.name]
                    put(each, inner, f"{name}.{number}.{each.name}", at(row, each.name))
        elif isinstance(value, bool):
            values[name] = "1" if value else ""
        elif value is not None:
            values[name] = value if isinstance(value, list) else str(value)

    for asked in fields:
        put(asked, schema.fields[asked.name], asked.name, at(shown, asked.name))
    return values


def messages(error: ma.ValidationError) -> dict[str, list[str]]:
    """What is wrong by name: `lines.0.amount` → sentences."""
    return problems.flat(
        error.messages if isinstance(error.messages, dict) else {"": error.messages}
    )


def with_another_row(form: Form, name: str) -> Form:
    """The same form with one more row in a list."""
    fields = [
        replace(each, rows=min(ROWS_MAX, max(each.rows, _count(form.values, name)) + 1))
        if each.name == name
        else each
        for each in form.fields
    ]
    return replace(form, fields=fields)


def _walk(inputs: Sequence[Input]) -> Iterator[Input]:
    for each in inputs:
        yield each
        for row in each.rows:
            yield from _walk(row)


def _count(values: Mapping[str, Any], name: str) -> int:
    """How many rows of a list were typed into."""
    numbers = [
        int(rest.split(".", 1)[0])
        for each in values
        if each.startswith(f"{name}.")
        and (rest := each[len(name) + 1 :]).split(".", 1)[0].isdigit()
    ]
    return min(ROWS_MAX, max(numbers, default=-1) + 1)


def _item(made: ma.fields.Field[Any]) -> ma.fields.Nested:
    inner = made.inner if isinstance(made, ma.fields.List) else made
    assert isinstance(inner, ma.fields.Nested)
    return inner


KINDS: Sequence[tuple[type[ma.fields.Field[Any]], str]] = (
    (ma.fields.Enum, "choice"),
    (Amount, "amount"),
    (Code, "code"),
    (ma.fields.Boolean, "flag"),
    (Day, "day"),
    (UtcDateTime, "instant"),
    (Upload, "file"),
)


def _kind(made: ma.fields.Field[Any], asked: Field) -> str:
    if asked.fields:
        return "group" if isinstance(made, ma.fields.Dict) else "rows"
    if asked.is_lines:
        return "long"
    if isinstance(made, ma.fields.List):
        return "choice" if asked.is_single else "many"
    if asked.choices is not None or any(isinstance(v, ma.validate.OneOf) for v in made.validators):
        return "choice"
    if made.metadata.get("format") == "password":
        return "password"
    if asked.is_long:
        return "long"
    return next((kind for of, kind in KINDS if isinstance(made, of)), "text")


def _choices(made: ma.fields.Field[Any], asked: Field, uow: Uow) -> Choices:
    if asked.choices is not None:
        return asked.choices(uow)
    inner = made.inner if isinstance(made, ma.fields.List) else made
    if isinstance(inner, ma.fields.Enum):
        return [(each.value, word(each.value)) for each in inner.enum]
    one_of = next((v for v in inner.validators if isinstance(v, ma.validate.OneOf)), None)
    return [(each, word(each)) for each in one_of.choices] if one_of else []


def _longest(made: ma.fields.Field[Any]) -> int | None:
    bounds = [each.max for each in made.validators if isinstance(each, ma.validate.Length)]
    return min((each for each in bounds if each is not None), default=None)
