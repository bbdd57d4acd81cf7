"""An import: columns, key, limit and what a row does, declared once.

File, dry run, template and the two-person change that commits it follow from the declaration.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import marshmallow as ma
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.operations import Change
from pettycash.runtime import errors
from pettycash.services.foundation import text_validation
from pettycash.services.foundation.actors import Actor

Row = Mapping[str, Any]
"""A row as its schema has read it, by field: JSON values, since a proposal keeps them."""


class Outcome(StrEnum):
    """The outcome of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The effect of a row: its kind, and the fields that have changed, old and new."""

    kind: str
    outcome: Outcome
    changed: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    note: str | None = None
    """For the security log and for readers of the proposal who see no rows."""


@dataclass(frozen=True, kw_only=True)
class By:
    """The persons behind an import: who tries it, and the change once a second one confirms it."""

    actor: Actor | None
    """None on the host's command line, where an import is only tried."""
    change: Change | None = None


class Work(Protocol):
    """One run over the rows of a sheet, through the services of their domain."""

    def apply(self, row: Row) -> Result:
        """Do what a row says, or raise why not."""

    def finish(self) -> None:
        """Do what comes after all rows."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """A declared import."""

    name: str
    title: str
    columns: type["RowSchema"]
    key: tuple[str, ...]
    """The fields that tell one row from another."""
    limit: int
    updates: bool
    """Whether a row whose key is there already changes it; else it is refused."""
    rank: Callable[[Row], int]
    """Rows of a lower rank are applied first, wherever they stand in the sheet."""
    work: Callable[[Session, By], Work]
    deciders: frozenset[Role]
    """Roles of both persons."""
    columns_of: Mapping[str, str] = field(default_factory=dict)
    """Field that a service's refusal names → field of the row, where they differ."""
    examples: tuple[Mapping[str, str], ...]
    """Rows of the template, by field."""

    @property
    def kind(self) -> str:
        """The kind of the two-person change that commits it."""
        return f"{self.name}_import"

    @property
    def titles(self) -> dict[str, str]:
        """Field → title of its column, in the order of the sheet."""
        fields = self.columns().fields
        return {name: each.data_key or name for name, each in fields.items()}


class RowSchema(ma.Schema):
    """Base of the columns of an import: cells that are blank are not there."""

    class Meta:
        unknown = ma.RAISE

    error_messages = {"required": "It can't be empty."}  # noqa: RUF012 - marshmallow declares it so


class Column(ma.fields.String):
    """A column of text, by its title."""

    def __init__(
        self, title: str, description: str, *, required: bool = False, longest: int = 200,
        **options: Any,
    ) -> None:  # fmt: skip
        bounds = ma.validate.Length(max=longest)
        super().__init__(
            data_key=title,
            required=required,
            error_messages={"required": "It can't be empty."},
            metadata={"description": description},
            validate=[bounds, *options.pop("validate", ())],
            **options,
        )


class NameColumn(Column):
    """A name: seen whole, and on one line."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        text = super()._deserialize(value, attr, data, **options)
        try:
            return text_validation.name(text, field=attr or "name")
        except text_validation.InvalidText as error:
            raise ma.ValidationError(list(*error.errors.values())) from error


class WordColumn(Column):
    """One of some words, in any case, with blanks or underscores between."""

    def __init__(self, title: str, description: str, *, words: Iterable[StrEnum], **options: Any):
        self.words = frozenset(each.value for each in words)
        super().__init__(title, description, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        return self.word(super()._deserialize(value, attr, data, **options))

    def word(self, text: str) -> str:
        """The word as the program spells it."""
        found = normal(text)
        if found not in self.words:
            raise ma.ValidationError(f"It is one of {', '.join(sorted(self.words))}.")
        return found


class WordsColumn(WordColumn):
    """Some words, divided by commas or semicolons."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        text = ma.fields.String._deserialize(self, value, attr, data, **options)
        given = [self.word(each) for each in re.split(r"[,;]", text) if each.strip()]
        return list(dict.fromkeys(given))


def normal(text: str) -> str:
    """A title or word in its one spelling: small letters, underscores between."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    return re.sub(r"[\s_-]+", "_", folded)


class InvalidCell(errors.RuleViolation):
    """The cell, or the row, does not fit its column's rule; the sentence says which."""

    code = "import.invalid_cell"


class DuplicateKey(errors.RuleViolation):
    """An earlier row of the sheet has the same key; keep one of them."""

    code = "import.duplicate_key"


class KeyExists(errors.Conflict):
    """This is there already, and this import changes nothing that is."""

    code = "import.key_exists"
