"""A process with a wrong clock: its wall clock is shifted before anything else is imported."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pettycash.stack.state import ROOT
from tests.patience import budget

TELL = """
from time import monotonic, time
import sys
from kombu.transport import redis
print(sys.argv[1], time(), redis.time())
"""


def told(shift: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    (folder / "tell_the_time.py").write_text(TELL, encoding="utf-8")
    command = [sys.executable, "-m", "pettycash.lab.chaos.skewed", shift, "tell_the_time", "hello"]
    return subprocess.run(
        command,
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=budget(60),
        env=dict(os.environ) | {"PYTHONPATH": str(folder)} | environ,
    )  # fmt: skip


@pytest.mark.parametrize("hours", [-2, 2])
def test_the_module_and_the_transport_of_celery_see_the_wrong_time(
    hours: int, tmp_path: Path
) -> None:
    done = told(str(hours * 3600), tmp_path)
    assert done.returncode == 0, done.stderr
    word, *times = done.stdout.split()
    assert word == "hello"
    for each in times:
        assert float(each) - time.time() == pytest.approx(hours * 3600, abs=60)


def test_it_is_refused_in_production(tmp_path: Path) -> None:
    done = told("7200", tmp_path, PETTYCASH_ENV="production")
    assert done.returncode == 1
    assert "refused in production" in done.stderr
