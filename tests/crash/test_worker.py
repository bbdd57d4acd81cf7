"""The worker, or a child of it, is killed at every state of an attempt, and another one goes on.

Whatever the moment: one movement at the rail, one entry in the journal, one success.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.crash.processes import POOL
from tests.crash.system import System
from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

STEPS = {
    "payments.claimed": "claimed",
    "payments.sending": "sending",  # committed, and no byte has left
    "payments.answered": "sending",  # the rail has paid, and nobody has written it down
    "settlement.posted": "accepted",  # the entry was written and never committed
}


@pytest.mark.parametrize("step", STEPS)
def test_whole_worker_sigkill_at_a_step_and_the_next_one_pays_once(
    system: System, step: str
) -> None:
    paid = system.payment()
    system.restart("worker", crash_at=step)

    system.release(paid)
    system.await_death("worker")

    assert system.attempt(paid).state == STEPS[step]
    system.assert_books_hold()
    system.restart("worker")
    system.await_success(paid)
    system.assert_paid_once(paid)


def test_whole_worker_sigkill_after_the_bytes_left_and_before_the_answer(system: System) -> None:
    paid = system.payment()
    system.misbehave(paid, "answer_slow:20")

    system.release(paid)
    assert wait_until(lambda: system.seen("payments", phone=paid.phone), 15), system.logs()
    system.kill("worker")

    assert system.attempt(paid).state == "sending"
    system.assert_books_hold()
    system.restart("worker")
    system.await_success(paid)
    system.assert_paid_once(paid)


def test_whole_worker_sigkill_while_the_callback_is_on_its_way(system: System) -> None:
    paid = system.payment()
    system.misbehave(paid, "callback_late:2")

    system.release(paid)
    system.await_state(paid, "accepted")
    system.kill("worker")

    system.assert_books_hold()
    system.restart("worker")
    system.await_success(paid)
    system.assert_paid_once(paid)


def test_pool_child_sigkill_while_it_sends_and_the_rail_is_asked(system: System) -> None:
    """The worker lives, puts the message back and forks another child: nothing is sent again."""
    paid = system.payment()
    system.misbehave(paid, "answer_slow:20")
    system.restart("worker", pool=POOL)

    system.release(paid)
    assert wait_until(lambda: system.seen("payments", phone=paid.phone), 15), system.logs()
    worker = system.children["worker"].pid
    children = Path(f"/proc/{worker}/task/{worker}/children").read_text(encoding="ascii").split()
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)

    system.assert_books_hold()
    system.await_success(paid)
    assert system.children["worker"].exit_code() is None, system.logs()
    system.assert_paid_once(paid)
