"""`bin/pettycash insider`: play for as long as one likes, and say what was played.

One JSON object at the end with --json; exit code 0 only if nothing was found.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from tests import servers as test_servers
from tests.insider.playing import Found, Table
from tests.model.ground import Ground

SHOWN_EVERY_SECONDS = 5.0


@click.command("insider")
@click.option("--games", default=300, show_default=True, help="How many games.")
@click.option("--steps", default=60, show_default=True, help="Requests of the insider in each.")
@click.option("--seed", type=int, help="Play these games again (default: others each time).")
@click.option("--shrink/--no-shrink", default=True, help="Leave out the steps that it needs not.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default="one a core", help="At a time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    games: int, steps: int, seed: int | None, *, shrink: bool, jobs: int, as_json: bool
) -> None:
    """A hostile person plays every operation while the others act honestly."""
    seed = seed if seed is not None else int.from_bytes(os.urandom(4))
    click.echo(f"seed {seed}", err=True)
    began = time.monotonic()
    if jobs > 1 and games > 1:
        report = shared(games=games, steps=steps, seed=seed, shrink=shrink, jobs=min(jobs, games))
    else:
        report = alone(games=games, steps=steps, seed=seed, shrink=shrink)
    report |= {"seed": seed, "steps": steps, "seconds": round(time.monotonic() - began, 1)}
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        show(report)
    sys.exit(0 if report["found"] is None else 1)


def alone(*, games: int, steps: int, seed: int, shrink: bool) -> dict[str, Any]:
    """Play on servers of one's own."""
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="pettycash-insider-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    try:
        ground = Ground(test_servers.obtain(folder, os.getpid()), "pettycash_insider")
        report = run(Table(ground), games=games, steps=steps, seed=seed, shrink=shrink)
        ground.close()
    finally:
        test_servers.dismiss(folder)
    return report


def shared(*, games: int, steps: int, seed: int, shrink: bool, jobs: int) -> dict[str, Any]:
    """Let several processes play a part each; what one of them finds is found."""
    ends = [games * number // jobs for number in range(jobs + 1)]
    command = [
        sys.executable,
        "-m",
        "tests.insider",
        "--json",
        "--jobs",
        "1",
        "--steps",
        str(steps),
    ]
    command.append("--shrink" if shrink else "--no-shrink")
    processes = [
        subprocess.Popen(
            [*command, "--games", str(end - begin), "--seed", str(seed + begin)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for begin, end in pairwise(ends)
    ]
    reports = [json.loads(process.communicate()[0]) for process in processes]
    return reduce(both, reports)


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two reports as one."""
    sums = ("games", "requests", "cpu_seconds")
    counts = {
        name: dict((Counter(one[name]) + Counter(other[name])).most_common())
        for name in ("honest", "tried", "accepted", "refusals")
    }
    return {
        **{name: round(one[name] + other[name], 1) for name in sums},
        **counts,
        "never_tried": sorted({*one["never_tried"]} & {*other["never_tried"]}),
        "found": one["found"] or other["found"],
    }


def run(table: Table, *, games: int, steps: int, seed: int, shrink: bool) -> dict[str, Any]:
    """Play; returns what the report has."""
    tally, began, cpu = table.tally, time.monotonic(), time.process_time()
    shown_at = began

    def step() -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at > SHOWN_EVERY_SECONDS:
            shown_at = time.monotonic()
            click.echo(f"{tally.games:>5} of {games} games {shown_at - began:6.0f} s", err=True)

    found = table.play(games=games, steps=steps, seed=seed, shrink=shrink, after_each=step)
    return {
        "games": tally.games,
        "requests": tally.requests,
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "honest": dict(tally.progress.most_common()),
        "tried": dict(tally.tried.most_common()),
        "accepted": dict(tally.accepted.most_common()),
        "refusals": dict(tally.refused.most_common()),
        "never_tried": sorted({each.name for each in table.known} - set(tally.tried)),
        "found": None if found is None else told(found),
    }


def told(found: Found) -> dict[str, Any]:
    """A finding, with the steps that lead there."""
    return {
        "seed": found.seed,
        "hostile": found.hostile,
        "error": f"{type(found.error).__name__}: {found.error}",
        "steps": found.lines,
        "traceback": "".join(traceback.format_tb(found.error.__traceback__)[-6:]),
    }


def show(report: dict[str, Any]) -> None:
    """For people."""
    hundreds = max(report["games"], 1) / 100
    click.echo("\nwhat honest people did, in 100 games")
    for name, count in report["honest"].items():
        click.echo(f"  {count / hundreds:>8.0f}  {name}")
    click.echo("\nwhat the insider sent: accepted of tried")
    for name, count in report["tried"].items():
        click.echo(f"  {report['accepted'].get(name, 0):>6} of {count:>6}  {name}")
    click.echo("\nrefusals")
    for name, count in report["refusals"].items():
        click.echo(f"  {count:>8}  {name}")
    click.echo(
        f"\n{report['games']} games of {report['steps']} steps, {report['requests']} requests, "
        f"{report['seconds']} s, seed {report['seed']}"
    )
    found = report["found"]
    if found is None:
        click.echo("Nothing was found.")
        return
    click.echo(f"\n{found['traceback']}{found['error']}\n")
    click.echo(f"hostile: {', '.join(found['hostile'])}")
    for line in found["steps"]:
        click.echo(line)
    click.echo(
        f"\nAgain: bin/pettycash insider --games 1 --steps {report['steps']} --seed {found['seed']}"
    )


if __name__ == "__main__":
    main(prog_name="bin/pettycash insider")
