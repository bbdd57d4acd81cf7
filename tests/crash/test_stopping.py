"""A worker is told to end and is killed before it has: nothing is stuck, nothing is sent twice."""

import json
import os
import signal
import time

import pytest
from redis import Redis

from tests.crash.processes import POOL
from tests.crash.system import System
from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

SLOW = "answer_slow:9+callback_late:12"
KILLED_AFTER_SECONDS = 2.0
"""Sooner than a soft shutdown and a call would be over."""


def unacknowledged(system: System) -> int:
    """Messages that a worker had taken: nobody else gets them for five minutes."""
    with Redis.from_url(system.redis.url()) as client:
        return int(client.hlen("pettycash:unacked"))


def test_sigterm_then_sigkill_too_early_leaves_nothing_stuck(system: System) -> None:
    """One call on the wire for each child, more waiting behind; the relay hands all on again."""
    system.restart("worker", pool=POOL)
    on_the_wire = [system.payment() for _ in range(2)]
    waiting = [system.payment() for _ in range(2)]
    for paid in on_the_wire:
        system.misbehave(paid, SLOW)
    system.release(*on_the_wire, *waiting)
    for paid in on_the_wire:
        assert wait_until(lambda paid=paid: system.sendings(paid), 15), system.logs()

    worker = system.children["worker"]
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGTERM)
    time.sleep(KILLED_AFTER_SECONDS)
    assert worker.exit_code() is None, "it gives its calls more time than that"
    system.kill("worker")

    assert unacknowledged(system) > 0
    assert "sending" in {system.attempt(paid).state for paid in on_the_wire}
    system.assert_books_hold()
    system.restart("worker", pool=POOL)
    system.await_success(*on_the_wire, *waiting)
    system.assert_paid_once(*on_the_wire, *waiting)
    # What was on the wire may be sent again where nothing is known of it, under its own reference.
    assert [len(set(system.references_sent(paid))) for paid in on_the_wire] == [1, 1]
    assert [system.sendings(paid) for paid in waiting] == [1, 1]


def test_sigterm_lets_a_call_end_and_be_recorded(system: System) -> None:
    """With the time that production gives, a deploy interrupts no call."""
    system.restart("worker", pool=POOL)
    paid = system.payment()
    system.misbehave(paid, f"answer_slow:{KILLED_AFTER_SECONDS}")
    system.release(paid)
    assert wait_until(lambda: system.sendings(paid), 15), system.logs()

    worker = system.children["worker"]
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGTERM)

    system.await_state(paid, "accepted")
    assert wait_until(lambda: worker.exit_code() is not None, 15), worker.log_tail(30)
    assert system.attempt(paid).ever_unknown is False
    lines = (system.folder / "worker.log").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line) for line in lines]
    assert any("shutdown" in each["event"] for each in said), lines[-20:]
    system.restart("worker", pool=POOL)
    system.await_success(paid)
    system.assert_paid_once(paid)
    assert system.sendings(paid) == 1
