"""`seeded-bugs`: put each known defect into a copy of the checkout, and see which test finds it.

A suite that never saw a bug proves nothing. The defects are patches in `tests/seeded_bugs/`, the
table `bugs.toml` beside them says what each does and which tests should find it.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from pettycash.cli import tables
from pettycash.cli.lab import checks
from pettycash.stack.state import ROOT, StackError

FOLDER = ROOT / "tests" / "seeded_bugs"
TABLE = FOLDER / "bugs.toml"

TIME_OUT_SECONDS = 600
"""A defect that takes longer to find counts as not found (reliability.md §5)."""

FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
ALL_PASSED, SOME_FAILED = 0, 1


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One row of the table."""

    name: str
    what: str
    tests: tuple[str, ...]
    """Node ids of the tests that are to find it."""
    folders: tuple[str, ...]
    """Where else somebody who knows nothing of it would look."""

    @property
    def patch(self) -> Path:
        """The defect."""
        return FOLDER / f"{self.name}.patch"


@dataclass(frozen=True, kw_only=True)
class Hunt:
    """The outcome of one defect."""

    name: str
    what: str
    found: bool
    by: str
    """The test that failed first; why none did, where it was not found."""
    seconds: float


def table() -> list[Bug]:
    """Every defect, in the order of the table."""
    rows = tomllib.loads(TABLE.read_text("utf-8"))["bug"]
    return [
        Bug(
            name=row["name"],
            what=row["what"],
            tests=tuple(row["tests"]),
            folders=tuple(row["folders"]),
        )
        for row in rows
    ]


@click.command(name="seeded-bugs")
@click.argument("names", nargs=-1)
@click.option(
    "--all-tests",
    is_flag=True,
    help="Run the fitting folders until the first failure, not only the tests named for a defect.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def seeded_bugs(names: tuple[str, ...], all_tests: bool, as_json: bool) -> None:
    """Apply each defect alone to a copy of the last commit and run the tests that should find it.

    NAMES picks some (default: all). First the same tests are run without any defect: what fails
    anyway finds nothing. Exit code 0 only if every defect is found.
    """
    wanted = _wanted(names)
    hunts: list[Hunt] = []
    with _copy() as copy:
        _check_without(copy, wanted)
        for bug in wanted:
            hunt = _hunt(copy, bug, bug.folders if all_tests else bug.tests)
            hunts.append(hunt)
            if not as_json:
                click.echo(f"{hunt.seconds:6.1f} s  {hunt.name}: {hunt.by}", err=True)
    found = sum(hunt.found for hunt in hunts)
    if as_json:
        bugs = [asdict(hunt) for hunt in hunts]
        report = {"ok": found == len(hunts), "found": found, "of": len(hunts), "bugs": bugs}
        click.echo(json.dumps(report, indent=2))
    else:
        _print(hunts)
    sys.exit(0 if found == len(hunts) else 1)


def _wanted(names: Sequence[str]) -> list[Bug]:
    if not TABLE.is_file():
        raise StackError("there are no tests here; run it from a checkout")
    bugs = {bug.name: bug for bug in table()}
    unknown = sorted(set(names) - set(bugs))
    if unknown:
        raise StackError(f"no such defect: {', '.join(unknown)}; there are: {', '.join(bugs)}")
    return [bugs[name] for name in names] if names else list(bugs.values())


@contextmanager
def _copy() -> Iterator[Path]:
    """The last commit, alone in a folder that goes away; it shares Python and packages with us."""
    with tempfile.TemporaryDirectory(prefix="pettycash-seeded-") as folder:
        copy = Path(folder) / "checkout"
        _git("clone", "--quiet", "--shared", str(ROOT), str(copy))
        yield copy


def _git(*words: str, at: Path = ROOT) -> None:
    done = subprocess.run(
        ["git", *words], cwd=at, check=False, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise StackError(f"git {words[0]}: {done.stderr.strip()}")


def _check_without(copy: Path, bugs: Sequence[Bug]) -> None:
    tests = sorted({test for bug in bugs for test in bug.tests})
    code, output = _pytest(copy, tests, TIME_OUT_SECONDS)
    if code != ALL_PASSED:
        raise StackError(f"without any defect not all tests pass:\n{output[-2_000:]}")


def _hunt(copy: Path, bug: Bug, tests: Sequence[str]) -> Hunt:
    _git("apply", str(bug.patch), at=copy)
    began = time.monotonic()
    code, output = _pytest(copy, ["-x", *tests], TIME_OUT_SECONDS)
    seconds = round(time.monotonic() - began, 1)
    _git("checkout", "--quiet", "--force", ".", at=copy)
    failed = FAILED.search(output)
    is_found = code == SOME_FAILED and failed is not None
    if failed is not None and is_found:
        by = failed.group(1)
    elif code == ALL_PASSED:
        by = "not found: all passed"
    else:
        by = "not found: the tests came to no end" if code is None else f"pytest ended with {code}"
    return Hunt(name=bug.name, what=bug.what, found=is_found, by=by, seconds=seconds)


def _pytest(copy: Path, words: Sequence[str], seconds: float) -> tuple[int | None, str]:
    """Exit code (None where the time was up) and output of pytest in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:randomly", "--tb=line"]
    # As a group of its own, so that its servers can be told to end with it.
    process = subprocess.Popen(
        [*command, *words],
        cwd=copy,
        env=checks.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # pytest stops its servers
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        return None, output
    return process.returncode, output


def _print(hunts: Sequence[Hunt]) -> None:
    def paint(column: str, cell: str) -> str | None:
        return {"found": "green", "NOT FOUND": "bold red"}.get(cell) if column == "" else None

    rows: list[tuple[Any, ...]] = [
        (hunt.name, hunt.what, "found" if hunt.found else "NOT FOUND", hunt.by, hunt.seconds)
        for hunt in hunts
    ]
    tables.show("Seeded bugs", ("defect", "what", "", "by", "seconds"), rows, paint=paint)
