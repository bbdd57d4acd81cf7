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
    says: str = ""
    """The words of a link, where the value itself says nothing; no value, no link."""


def column(kind: str) -> Callable[..., Column]:
    """A maker of columns of one kind."""

    def make(name: str, label: str = "", *, to: str = "") -> Column:
        return Column(name=name, kind=kind, label=label, to=to)

    return make


text, word, words, badge, money, when, day, month, age, person, flag, members, folded = (
    column(kind)
    for kind in (
        *("text", "word", "words", "badge", "money", "when", "day", "month", "age", "person"),
        *("flag", "members", "folded"),
    )
)


def link(name: str, to: str, label: str = "", *, says: str = "") -> Column:
    """What leads to a page of its own."""
    return Column(name=name, kind="link", label=label, to=to, says=says)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A list within a detail."""

    name: str
    title: str
    columns: Sequence[Column]
    empty: str = ""
    """Where nothing stands in it; without a word it is left out then."""
