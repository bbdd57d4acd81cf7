"""The demo's story on a real stack: told after the banner, while people work, killed and taken up.

.venv/bin/pytest tests/stack/test_story.py -m soak -n 0 -s
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pettycash.stack.processes import is_alive
from tests.patience import budget, wait_until
from tests.stack.running import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.soak,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(300),
]

SECONDS = 20.0
"""How long it may take on two quiet cores."""


@pytest.fixture
def telling() -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="pettycash-stack-"))
    home.chmod(0o711)  # PostgreSQL may run as another user
    found = Stack(home / "state", arguments=("--any-port",))
    try:
        yield found
    finally:
        found.end()
        shutil.rmtree(home, ignore_errors=True)


def audited(stack: Stack) -> list[Any]:
    """What the books break, the rail's ledger included."""
    report = json.loads(stack.call("audit", "books", "--json").stdout)
    assert report["simulator"] is not None
    return [each for each in report["checks"] if not each["ok"]]


def test_people_work_while_it_is_told_and_up_goes_on_with_it(telling: Stack) -> None:
    telling.up()
    assert "demo story: being written" in telling.call("status").stdout
    assert audited(telling) == []
    pids = telling.everyone()

    telling.kill()
    wait_until(lambda: not any(is_alive(*each) for each in pids), 15)
    telling.up()
    began = time.monotonic()
    paid = telling.call("demo", "pay", "--json")
    assert paid.returncode == 0, paid.stdout + paid.stderr
    assert audited(telling) == []
    wait_until(lambda: telling.status()["story"] == "done", budget(60))
    print(f"\ntold within {time.monotonic() - began:.1f} s, of {SECONDS:.0f}")

    assert telling.status()["ready"] is True
    assert audited(telling) == []
    paid = telling.call("demo", "pay", "--json")
    assert paid.returncode == 0, paid.stdout + paid.stderr
    doubts = telling.call("payments", "in-doubt", "--json")
    assert len(json.loads(doubts.stdout)) == 1, doubts.stdout + doubts.stderr
    mailbox = requests.get(f"{telling.secrets()['mailbox']}/messages.json", timeout=10).json()
    found = mailbox["messages"] if isinstance(mailbox, dict) else mailbox
    assert all(" releases\n" in each["text"] for each in found), "codes of just now, nothing else"
