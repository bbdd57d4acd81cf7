"""`crash-points`: let every named step fail in every way, on throw-away servers, and show the end.

What is done at each step stands in tests/crash; this command runs it and reads the result.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from pettycash.cli import tables
from pettycash.cli.lab.checks import environment
from pettycash.runtime.crash_points import Fault
from pettycash.stack.state import ROOT

PRODUCT = ROOT / "tests" / "crash" / "test_product.py"
PYTEST = ("-m", "pytest", "-m", "crash_product", "-q", "-n", "2", "--dist", "load")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One step with one fault, and what became of it."""

    point: str
    fault: str
    hits: int
    recovered_seconds: float | None
    """None: it did not end well."""


@click.command("crash-points")
@click.option("--point", "points", multiple=True, help="Only this step; several times for several.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice([each.value for each in Fault]),
    help="Only this fault; several times for several.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def crash_points(points: Sequence[str], faults: Sequence[str], as_json: bool) -> None:
    """Let every crash point fail in every way, and show how it ended.

    At each step of releasing, sending, settling, replenishing and reconciling in turn: SIGKILL, an
    exception, a cut of the database connections, a commit whose answer is lost. The business goes
    on to its end by itself, the books and the rail's ledger agree. Exit code 0: all of it did.
    """
    if not PRODUCT.is_file():
        raise click.ClickException(
            f"{PRODUCT.relative_to(ROOT)} is not here: the image does without the tests."
            " Run this in a checkout of the project."
        )
    if importlib.util.find_spec("pytest") is None:
        raise click.ClickException("the tests' own packages are missing: use bin/pettycash.")
    began = time.monotonic()
    runs, exit_code = _run(points, faults)
    failed = [each for each in runs if each.recovered_seconds is None]
    is_ok = exit_code == 0 and bool(runs) and not failed
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        summary = {
            "ok": is_ok,
            "points": len({each.point for each in runs}),
            "faults": sorted({each.fault for each in runs}),
            "failed": [f"{each.point}={each.fault}" for each in failed],
            "seconds": seconds,
            "runs": [asdict(each) for each in runs],
        }
        click.echo(json.dumps(summary, indent=2))
    else:
        _print(runs)
        click.echo(
            f"{len({each.point for each in runs})} points, {len(runs)} faults,"
            f" {len(runs) - len(failed)} recovered, {seconds:.0f} s"
        )
    sys.exit(0 if is_ok else 1)


def _run(points: Sequence[str], faults: Sequence[str]) -> tuple[list[Run], int]:
    """Run the tests; their progress goes to standard error."""
    with tempfile.TemporaryDirectory(prefix="pettycash-crash-points-") as folder:
        report = Path(folder) / "report.xml"
        arguments = [*PYTEST, str(PRODUCT), f"--junitxml={report}"]
        wanted = [
            f"({' or '.join(f'{prefix}{each}{suffix}' for each in chosen)})"
            for chosen, prefix, suffix in ((points, "", "-"), (faults, "-", "]"))
            if chosen
        ]
        if wanted:
            arguments += ["-k", " and ".join(wanted)]
        done = subprocess.run(
            [sys.executable, *arguments], check=False, cwd=ROOT, env=environment(),
            stdout=sys.stderr,
        )  # fmt: skip
        return (_read(report) if report.exists() else []), done.returncode


def _read(report: Path) -> list[Run]:
    # Written a moment ago by our own child, so its XML is no stranger's.
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314
    runs = []
    for case in cases:
        said = {each.get("name"): each.get("value", "") for each in case.iter("property")}
        if "point" not in said:
            continue
        ended_well = case.find("failure") is None and case.find("error") is None
        runs.append(
            Run(
                point=said["point"],
                fault=said["fault"],
                hits=int(said.get("hits", "0")),
                recovered_seconds=float(said["seconds"]) if ended_well else None,
            )
        )
    return sorted(runs, key=lambda each: (each.point, each.fault))


def _print(runs: Sequence[Run]) -> None:
    faults = [each.value for each in Fault if any(run.fault == each.value for run in runs)]
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for run in runs:
        seconds = run.recovered_seconds
        ended = "FAILED" if seconds is None else f"{run.hits}x {seconds:.1f} s"
        cells[run.point][run.fault] = ended
    tables.show(
        "Hits and seconds to recover",
        ["point", *faults],
        [[point, *(ended.get(each) for each in faults)] for point, ended in cells.items()],
        paint=lambda _column, text: "red" if text == "FAILED" else None,
    )
