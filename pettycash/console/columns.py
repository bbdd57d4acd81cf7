"""Columns and tables: which members of an answer a page shows, and how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure or word of an answer, and how it is shown."""

    name: str
    kind: str
    label: str
    to: str = ""
    """Of a link: a path with members of the item in braces."""


def column(kind: str) -> Callable[..., Column]:
    """A maker of columns of one kind."""

    def make(name: str, label: str = "", *, to: str = "") -> Column:
        return Column(name=name, kind=kind, label=label, to=to)

    return make


text, word, badge, money, when, day, age, person, flag = (
    column(kind)
    for kind in ("text", "word", "badge", "money", "when", "day", "age", "person", "flag")
)


def link(name: str, to: str, label: str = "") -> Column:
    """What leads to a page of its own; by a name that no item has, it says "Open"."""
    return Column(name=name, kind="link", label=label, to=to)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A list within a detail."""

    name: str
    title: str
    columns: Sequence[Column]
    empty: str = ""
    """Where nothing stands in it; without a word it is left out then."""
