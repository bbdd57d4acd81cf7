"""Rows for people: a table on a terminal, plain lines where somebody reads them by machine."""

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns; without a terminal, tab-separated and in full."""
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *texts]:
            click.echo("\t".join(row))
        return
    table = Table(*columns, title=title)
    for row in texts:
        table.add_row(*row)
    Console().print(table)
