"""Rows for people: a table on a terminal, plain lines where somebody reads them by machine."""

import sys
from collections.abc import Callable, Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

Paint = Callable[[str, str], str | None]
"""Column and text of a cell → the style that a terminal gives it."""


def show(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    paint: Paint = lambda _column, _text: None,
) -> None:
    """Print rows under their columns; without a terminal, tab-separated and in full.

    A row stays one line, whatever somebody wrote into it.
    """
    texts = [
        ["" if value is None else " ".join(str(value).split()) for value in row] for row in rows
    ]
    if not sys.stdout.isatty():
        for row in [list(columns), *texts]:
            click.echo("\t".join(row))
        return
    table = Table(*columns, title=title)
    for row in texts:
        # As Text, since rich would take [words] in a cell for its own markup.
        table.add_row(
            *(
                Text(text, style=paint(column, text) or "")
                for column, text in zip(columns, row, strict=True)
            )
        )
    Console().print(table)
