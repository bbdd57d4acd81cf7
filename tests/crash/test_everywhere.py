"""Every named crash point is reached and survived: by a pool child, the relay, the API.

The points are read from the code, so that a new one without a test is a failure here.
"""

import re

import pytest

from pettycash.stack.state import ROOT
from tests.crash.system import System

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(180)]

CHILD = (
    "tasks.begun",
    "payments.delivered",
    "payments.claiming",
    "payments.claimed",
    "payments.marking",
    "payments.sending",
    "payments.answered",
    "payments.recorded",
    "payments.asking",
    "payments.told",
    "callbacks.delivered",
    "callbacks.weighed",
    "callbacks.processed",
    "settlement.posted",
)
REFUSAL = ("settlement.voided",)
RELAY = ("relay.claimed", "relay.published")
API = ("releases.held", "releases.executed", "api.stored", "api.committed", "callbacks.received")


def test_every_point_in_the_code_has_a_test_here() -> None:
    named = {
        name
        for file in (ROOT / "pettycash").rglob("*.py")
        if file.name != "crash_points.py"
        for name in re.findall(r'\breach\("([a-z_.]+)"\)', file.read_text(encoding="utf-8"))
    }
    assert named == {*CHILD, *REFUSAL, *RELAY, *API}


def test_a_pool_child_dies_at_every_step_and_the_worker_goes_on(system: System) -> None:
    """One death per step, spread over a few payments; the worker itself is never started again."""
    system.restart("worker", crash_at=",".join(CHILD), pool=("-P", "prefork", "-c", "2"))
    everything = []
    for _ in range(4):
        paid = [system.payment() for _ in range(2)]
        system.release(*paid)
        system.await_success(*paid)
        everything += paid
        if all(system.reached(step) for step in CHILD):
            break

    assert [step for step in CHILD if not system.reached(step)] == []
    assert system.children["worker"].exit_code() is None
    system.assert_paid_once(*everything)


def test_a_worker_dies_while_it_records_a_refusal(system: System) -> None:
    paid = system.payment()
    system.misbehave(paid, "fail_1")
    system.restart("worker", crash_at=REFUSAL[0])

    system.release(paid)
    system.await_death("worker")
    system.assert_books_hold()
    system.restart("worker")

    system.await_state(paid, "rejected")
    system.await_nothing_owed()
    system.assert_books_hold()
    assert system.moved(paid) == []
    assert system.held(paid) == "voided"


@pytest.mark.parametrize("step", RELAY)
def test_the_relay_dies_with_a_hint_in_its_hand(system: System, step: str) -> None:
    paid = system.payment()
    system.kill("relay")
    system.release(paid)

    system.restart("relay", crash_at=step)
    system.await_death("relay")
    system.restart("relay")

    system.await_success(paid)
    system.assert_paid_once(paid)


def test_two_relays_publish_and_one_payment_is_made_of_each(system: System) -> None:
    system.restart("relay-2")
    paid = [system.payment() for _ in range(5)]

    system.release(*paid)

    system.await_success(*paid)
    system.assert_paid_once(*paid)
