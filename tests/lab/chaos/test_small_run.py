"""A small run of the command itself: payments under fire, a restore, a verdict without a fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pettycash.cli import cli
from pettycash.cli.lab.checks import CONFIGURING
from pettycash.stack.state import ROOT, StackError

pytestmark = [
    pytest.mark.xdist_group("chaos"),
    pytest.mark.stack,
    pytest.mark.slow,
    pytest.mark.timeout(420),
]

PAYMENTS, KILLS = 20, 3


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(CONFIGURING)}
    return subprocess.run(
        [sys.executable, "-m", "tests.lab.chaos.quickly", "chaos", *arguments],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=400, env=clean,
    )  # fmt: skip


def test_whoever_dies_every_payment_is_made_once(tmp_path: Path) -> None:
    home = tmp_path / "state"
    done = chaos(
        "--payments", str(PAYMENTS), "--kills", str(KILLS), "--seed", "7", "--restore", "--json",
        "--state-dir", str(home),
    )  # fmt: skip
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    story = {key: value for key, value in said.items() if key not in ("settings", "gateway_rates")}
    for promise in ("double", "lost", "unbalanced", "undecided", "unreleased"):
        assert said[promise] == 0, (story, done.stderr[-2000:])
    assert said["kills"] == KILLS
    assert "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE=1000000 (60)" in said["other_limits"]
    settled_otherwise = (
        said["restore"]["paid_already"] + said["restore"]["held_back_by_lost_callbacks"]
    )
    assert said["payments"]["released"] == PAYMENTS - settled_otherwise > PAYMENTS / 2
    assert said["restore"]["lost_seconds"] > 0
    assert sum(said["payments"]["by_status"].values()) == said["payments"]["released"]
    assert said["payments"]["by_status"]["success"] > PAYMENTS / 2
    assert said["gateway_faults"] * 5 >= said["gateway_calls"] > PAYMENTS
    assert len(said["faults"]) > KILLS
    assert all(fault["healed"] for fault in said["faults"]), story
    assert all(fault["detected"] for fault in said["faults"] if fault["kind"] == "SIGKILL"), story
    assert all(each["ok"] for each in said["invariants"].values()), story
    assert done.returncode == 0, done.stderr
    assert not home.exists(), "the folder is thrown away"


def test_it_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETTYCASH_ENV", "production")
    done = CliRunner().invoke(cli, ["chaos", "--payments", "1", "--kills", "0"])
    assert isinstance(done.exception, StackError)
    assert "refused in production" in str(done.exception)


def test_it_wants_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "somebody's").touch()
    done = chaos("--payments", "1", "--kills", "0", "--state-dir", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert (tmp_path / "somebody's").exists()
