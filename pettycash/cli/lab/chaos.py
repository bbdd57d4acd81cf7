"""`chaos`: pay while everything is killed and cut off, then prove that nothing was paid twice."""

import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pettycash.cli import tables
from pettycash.lab.chaos import faults, run
from pettycash.lab.chaos.options import QUICK_KILLS, QUICK_PAYMENTS, Options
from pettycash.lab.chaos.report import FAULT_COLUMNS, ChaosResult
from pettycash.runtime import process
from pettycash.stack.plan import caller_environment
from pettycash.stack.state import StackError, StateFolder


@click.command()
@click.option("--payments", default=200, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--kills", default=20, show_default=True, type=click.IntRange(0, 10_000))
@click.option("--seed", default=1, show_default=True, type=int, help="Draws the plan of faults.")
@click.option("--restore", is_flag=True, help="Bring a backup back in the middle of it.")
@click.option(
    "--quick",
    is_flag=True,
    help=f"{QUICK_PAYMENTS} payments, {QUICK_KILLS} kills and a restore, within ten minutes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Use this folder instead of a throw-away one; it must be empty or new.",
)
@click.option("--keep", is_flag=True, help="Keep the folder: databases, ledgers, logs.")
def chaos(
    *,
    payments: int,
    kills: int,
    seed: int,
    restore: bool,
    quick: bool,
    as_json: bool,
    state_dir: Path | None,
    keep: bool,
) -> None:
    """Kill and cut off every part of a system of its own while it pays, then judge it.

    Exit code 0 only if nothing was paid twice or lost, the books balance, and everything is decided
    or visibly an operator's case.
    """
    if os.environ.get("PETTYCASH_ENV") == "production":
        raise StackError("chaos is refused in production")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if quick:
        payments, kills, restore = QUICK_PAYMENTS, QUICK_KILLS, True
    options = Options(payments=payments, kills=kills, seed=seed, restore=restore)
    with _folder(state_dir, keep=keep) as folder:
        _log_to(folder)
        with _progress(options) as progress:
            result = run.run(options, folder, caller_environment(), progress)
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        _print(result)
    sys.exit(0 if result.is_good else 1)


@contextmanager
def _folder(path: Path | None, *, keep: bool) -> Iterator[StateFolder]:
    """The state folder of the run, gone afterwards unless it is to be kept."""
    if path is not None and path.exists() and any(path.iterdir()):
        raise StackError(f"{path} is not empty; chaos wants a folder of its own")
    home = path.absolute() if path else Path(tempfile.mkdtemp(prefix="pettycash-chaos-"))
    folder = StateFolder(home)
    try:
        folder.prepare()
        with folder.held():
            yield folder
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


def _log_to(folder: StateFolder) -> None:
    """All of it into the folder; only what is wrong to the terminal, between the bars."""
    process.log_as_json()
    root = logging.getLogger()
    (terminal,) = root.handlers
    terminal.setLevel(logging.ERROR)
    kept = logging.FileHandler(folder.logs / "chaos.log")
    kept.setFormatter(terminal.formatter)
    root.addHandler(kept)


@contextmanager
def _progress(options: Options) -> Iterator[run.Progress]:
    """Two bars on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _what, _released, _done: None
        return
    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        paid = bars.add_task("payments", total=options.payments)
        fire = bars.add_task("faults", total=len(faults.draw(options)))

        def show(what: str, released: int, done: int) -> None:
            bars.update(paid, completed=released)
            bars.update(fire, completed=done, description=what)

        yield show


def _print(result: ChaosResult) -> None:
    """The tables for people."""
    said = result.as_json()
    tables.show("Faults", FAULT_COLUMNS, result.rows())
    tables.show(
        "Recovery, seconds",
        ("after", "count", "median", "p99", "max"),
        [(name, *spread.values()) for name, spread in said["recovery_seconds"].items()],
    )
    tables.show(
        "Invariants",
        ("invariant", "holds", "breaks"),
        [
            (name, "yes" if each["ok"] else "NO", "; ".join(each["breaks"][:3]))
            for name, each in said["invariants"].items()
        ],
        paint=lambda _column, text: "red" if text == "NO" else None,
    )
    names = ("double", "lost", "unbalanced", "undecided", "cases", "kills", "gateway_faults")
    click.echo("  ".join(f"{name} {said[name]}" for name in names))
    click.echo(
        f"{said['payments']['released']} payments in {said['seconds']['under_fire']} s"
        f" under fire, settled {said['seconds']['until_settled']} s later; seed {said['seed']}"
    )
    click.echo(f"limits other than production's: {said['other_limits']}")
