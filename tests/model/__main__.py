"""`bin/pettycash model`: play for as long as one likes, and say what was played.

One JSON object at the end with --json; exit code 0 only if nothing was found.
"""

import json
import os
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests import servers as test_servers
from tests.model import playing
from tests.model.ground import Ground
from tests.model.machine import machine
from tests.model.memory import Tally

SHOWN_EVERY_SECONDS = 5.0


@dataclass
class Progress:
    """A line on standard error now and then."""

    tally: Tally
    examples: int
    began: float
    shown: float = 0.0

    def step(self) -> None:
        now = time.monotonic()
        if now - self.shown < SHOWN_EVERY_SECONDS:
            return
        self.shown = now
        seconds = now - self.began
        rules = self.tally.rules.total()
        click.echo(
            f"{self.tally.examples:>6} of {self.examples} examples  {rules:>8} rules "
            f" {rules / seconds if seconds else 0:6.1f}/s  {seconds:7.0f} s",
            err=True,
        )


@click.command("model")
@click.option("--examples", default=300, show_default=True, help="How many games.")
@click.option("--steps", default=60, show_default=True, help="Rules in each.")
@click.option("--seed", type=int, help="Play these games again (default: others each time).")
@click.option("--shrink/--no-shrink", default=True, help="Look for the shortest way to a failure.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(examples: int, steps: int, seed: int | None, shrink: bool, as_json: bool) -> None:
    """A model that plays against the system: real services, real PostgreSQL, a hostile rail."""
    seed = seed if seed is not None else int.from_bytes(os.urandom(4))
    click.echo(f"seed {seed}", err=True)
    folder = Path(tempfile.mkdtemp(prefix="pettycash-model-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    try:
        servers = test_servers.obtain(folder, os.getpid())
        ground = Ground(servers, "pettycash_model")
        report = run(ground, examples=examples, steps=steps, seed=seed, shrink=shrink)
        ground.close()
    finally:
        test_servers.dismiss(folder)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        show(report)
    sys.exit(0 if report["found"] is None else 1)


def run(ground: Ground, *, examples: int, steps: int, seed: int, shrink: bool) -> dict[str, Any]:
    """Play; returns what the report has."""
    tally = Tally()
    player = machine(ground, tally)
    progress = Progress(tally=tally, examples=examples, began=time.monotonic())
    cpu = time.process_time()
    found = playing.play(
        player,
        tally,
        examples=examples,
        steps=steps,
        seed=seed,
        shrink=shrink,
        after_each=progress.step,
    )
    seconds = time.monotonic() - progress.began
    return {
        "seed": seed,
        "examples": tally.examples,
        "steps": steps,
        "rules": tally.rules.total(),
        "invariant_checks": tally.checks,
        "seconds": round(seconds, 1),
        "rules_per_second": round(tally.rules.total() / seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "rule_counts": dict(tally.rules.most_common()),
        "under_way": dict(tally.under_way.most_common()),
        "share_of_trials": round(tally.share_of_trials(), 3),
        "refusals": dict(tally.refusals.most_common()),
        "payments_at_rest": dict(tally.ends.most_common()),
        "found": None if found is None else shown(found),
    }


def shown(found: playing.Found) -> dict[str, Any]:
    """What was found, with the steps that lead there."""
    return {
        "seed": found.seed,
        "error": f"{type(found.error).__name__}: {found.error}",
        "steps": list(getattr(found.error, "__notes__", [])),
        "traceback": "".join(traceback.format_tb(found.error.__traceback__)[-6:]),
    }


def show(report: dict[str, Any]) -> None:
    """For people."""
    for title in ("rule_counts", "refusals", "payments_at_rest"):
        click.echo(f"\n{title.replace('_', ' ')}")
        for name, count in report[title].items():
            click.echo(f"  {count:>8}  {name}")
    click.echo(
        f"\n{report['examples']} examples of {report['steps']} steps, {report['rules']} rules, "
        f"{report['invariant_checks']} times all invariants, {report['seconds']} s "
        f"({report['rules_per_second']} rules a second), seed {report['seed']}"
    )
    found = report["found"]
    if found is None:
        click.echo("Nothing was found.")
        return
    click.echo(f"\n{found['traceback']}{found['error']}\n")
    for line in found["steps"]:
        click.echo(line)
    click.echo(
        f"\nAgain: bin/pettycash model --examples 1 --steps {report['steps']}"
        f" --seed {found['seed']}"
    )


if __name__ == "__main__":
    main(prog_name="bin/pettycash model")
