"""`bench` runs by itself, says what it found, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pettycash.cli import cli
from pettycash.lab.bench.benchmark import at_least, at_most
from pettycash.lab.bench.catalogue import BENCHMARKS
from pettycash.stack.state import ROOT, StackError
from tests.patience import budget

KEYS = {"name", "value", "reference", "ratio", "goal", "ok", "unit", "spread"}


def bench(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pettycash", "bench", *words],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=budget(110),
        env={"PATH": os.environ["PATH"], "TMPDIR": str(folder), "HOME": str(folder)},
    )  # fmt: skip


@pytest.mark.slow
def test_it_measures_beside_a_reference_and_leaves_nothing(reachable: Path) -> None:
    done = bench("settlement", "--quick", "--json", folder=reachable)

    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["name"] == "settlement"
    assert row.keys() >= KEYS
    assert row["value"] > 0
    assert row["reference"] > 0
    assert row["ratio"] == pytest.approx(row["value"] / row["reference"], abs=0.001)
    assert row["ok"] is (row["ratio"] >= row["goal"])
    assert "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE=1000000 (60)" in done.stderr
    assert list(reachable.iterdir()) == []


def test_it_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETTYCASH_ENV", "production")

    done = CliRunner().invoke(cli, ["bench", "--quick"])

    assert isinstance(done.exception, StackError)
    assert "not in production" in str(done.exception)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    done = CliRunner().invoke(cli, ["bench", "nothing"])

    assert done.exit_code == 2
    assert "'settlement-hot'" in done.stderr


def test_every_benchmark_has_a_name_of_its_own_and_says_what_its_figure_is_held_against() -> None:
    names = [each.name for each in BENCHMARKS]
    assert len(set(names)) == len(names)
    for each in BENCHMARKS:
        assert each.what, each.name
        assert bool(each.against) is (each.reference is not None), each.name


def test_a_goal_is_a_bound_on_one_side() -> None:
    assert at_least(0.8).is_met(0.8)
    assert not at_least(0.8).is_met(0.79)
    assert at_most(1.2).is_met(1.2)
    assert not at_most(1.2).is_met(1.21)


CREW = """
import os, sys
from pettycash.lab.bench.crew import CrewFailed, crew

def begin():
    def work(item):
        if item < 0:
            raise ValueError("negative")
        with open(f"{sys.argv[1]}/{item}", "w") as file:
            file.write(str(os.getpid()))
    return work

with crew(2, begin) as workers:
    assert workers.run(range(6)) > 0
    try:
        workers.run([-1])
    except CrewFailed as error:
        print(error)
"""


def test_a_crew_deals_the_work_out_and_names_what_failed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CREW, str(tmp_path)],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=budget(60),
    )  # fmt: skip

    assert done.stdout == "ValueError: negative\n", done.stderr
    workers = {number: (tmp_path / str(number)).read_text() for number in range(6)}
    assert len(set(workers.values())) == 2
    assert workers[0] == workers[2] == workers[4]
