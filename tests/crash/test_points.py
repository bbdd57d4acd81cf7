"""Crash points are nothing at all unless asked for, and kill once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pettycash.runtime import config
from pettycash.runtime.config import InvalidConfiguration
from tests.patience import budget
from tests.servers import Database

PROGRAM = """
from pettycash.runtime import config, settings
from pettycash.runtime.crash_points import crash_point
settings.install(config.read())
for name in ("payments.claimed", "payments.sending", "payments.claimed"):
    crash_point(name)
    print(name, flush=True)
"""


def run(database: Database, folder: Path, crash_at: str) -> subprocess.CompletedProcess[str]:
    environ = database.environ | {
        "PETTYCASH_CRASH_AT": crash_at,
        "PETTYCASH_STATE_DIR": str(folder),
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False, capture_output=True, text=True, env=environ, timeout=budget(30),
    )  # fmt: skip


def test_a_named_step_kills_the_first_process_and_no_further_one(
    database: Database, tmp_path: Path
) -> None:
    first = run(database, tmp_path, "payments.sending")
    second = run(database, tmp_path, "payments.sending")

    assert (first.returncode, first.stdout) == (-signal.SIGKILL, "payments.claimed\n")
    assert (second.returncode, len(second.stdout.splitlines())) == (0, 3)


def test_the_second_time_can_be_meant(database: Database, tmp_path: Path) -> None:
    done = run(database, tmp_path, "tasks.begun,payments.claimed:2")

    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines() == ["payments.claimed", "payments.sending"]


def test_unnamed_it_leaves_no_trace(database: Database, tmp_path: Path) -> None:
    assert run(database, tmp_path, "").returncode == 0
    assert run(database, tmp_path, "payments.other").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_production_refuses_to_hear_of_it(database: Database) -> None:
    environ = database.environ | {"PETTYCASH_ENV": "production", "PETTYCASH_CRASH_AT": "a.b"}

    with pytest.raises(InvalidConfiguration, match="PETTYCASH_CRASH_AT is refused in production"):
        config.read(environ)
