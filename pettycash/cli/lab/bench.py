"""`bench`: how fast it is, each figure beside a reference that runs in the same call."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from pettycash.cli import tables
from pettycash.lab.bench import rounds as running
from pettycash.lab.bench.catalogue import BENCHMARKS
from pettycash.lab.bench.rounds import Row
from pettycash.stack.state import StackError

NAMES = [each.name for each in BENCHMARKS]

COLUMNS = ("name", "measured", "value", "reference", "unit", "ratio", "goal", "ok")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--quick", is_flag=True, help="One small round: shows that it runs, not how fast.")
def bench(names: Sequence[str], as_json: bool, rounds: int, quick: bool) -> None:
    """Measure, on servers of its own, beside a reference in the same run."""
    if os.environ.get("PETTYCASH_ENV") == "production":
        raise StackError("bench starts servers of its own and loads the machine: not in production")
    # What was started is ended on the way out, which a signal must not cut short.
    signal.signal(signal.SIGTERM, _leave)
    chosen = [each for each in BENCHMARKS if not names or each.name in names]
    rows = list(
        running.run(
            chosen,
            rounds=rounds,
            quick=quick,
            environ=os.environ,
            say=lambda line: click.echo(line, err=True),
        )
    )
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False))
        return
    tables.show("Benchmarks", COLUMNS, [_cells(row) for row in rows], paint=_paint)


bench.epilog = f"NAME is one of: {', '.join(NAMES)}."


def _leave(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not cut the cleaning up short
    sys.exit(128 + number)


def _cells(row: Row) -> tuple[object, ...]:
    goal = f"{'≥' if row.sense == 'at_least' else '≤'} {row.goal:g}"
    return (
        row.name,
        row.what,
        _figure(row.value, row.spread),
        "" if row.reference is None else _figure(row.reference, row.reference_spread),
        row.unit,
        "" if row.ratio is None else f"{row.ratio:.2f}",
        goal,
        "yes" if row.ok else "no",
    )


def _figure(value: float, spread: tuple[float, float] | None) -> str:
    low, high = spread or (value, value)
    return f"{_short(value)} ({_short(low)} to {_short(high)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _paint(column: str, text: str) -> str | None:
    if column != "ok":
        return None
    return "green" if text == "yes" else "red"
