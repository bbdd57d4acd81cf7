"""A process that was forked is given what one is that was started, and ends as one."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pettycash.stack.processes import Child, ChildSpec
from tests import zygote
from tests.servers import wait_until
from tests.zygote import Forked, QuickChild

BARE = "tests.stack.bare"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote, "FORKED", (BARE,))


def begun(kind: type[Child], folder: Path, *words: str) -> Child:
    spec = ChildSpec(
        name=kind.__name__, title="bare", command=[sys.executable, "-m", BARE, *words],
        environment={"PATH": "/usr/bin:/bin", "GIVEN": "this"}, probe=lambda: True,
    )  # fmt: skip
    child = kind(spec, folder)
    child.start()
    return child


def said(child: Child) -> dict[str, Any]:
    assert wait_until(child.log_tail, 20)
    found: dict[str, Any] = json.loads(child.log.read_text())
    return found


def test_it_is_given_what_one_is_given_that_starts(tmp_path: Path) -> None:
    forked, started = begun(QuickChild, tmp_path, "word"), begun(Child, tmp_path, "word")

    assert wait_until(lambda: None not in (forked.exit_code(), started.exit_code()), 20)

    assert isinstance(forked.process, Forked)
    assert said(forked) == said(started)
    assert forked.exit_code() == started.exit_code() == 3


def test_a_kill_is_known_at_once_and_a_wait_has_an_end(tmp_path: Path) -> None:
    child = begun(QuickChild, tmp_path, "sleep")
    assert said(child)
    assert child.exit_code() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.process.wait(0.1)

    child.process.kill()

    assert child.process.wait(10) == -signal.SIGKILL
    child.finish()
