"""Everybody is killed at random while payments go on; `pytest tests/crash -m soak`.

The plan comes from a seed, which a failure prints.
"""

import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from tests.crash.client import Executor
from tests.crash.system import Paid, System

pytestmark = [
    pytest.mark.soak,
    pytest.mark.xdist_group("crash"),
    pytest.mark.timeout(900),
]

SECONDS = 60.0
CLIENTS = 4
IN_FLIGHT_MAX = 40
"""More than two workers finish between two deaths only tells how long a queue can grow: the relay
repeats a hint every few seconds here, whether or not the one before has been looked at."""

VICTIMS = ("worker", "worker", "worker", "relay", "api", "redis")
FAULTS = (
    None,
    None,
    "callback_never",
    "callback_twice",
    "callback_early",
    "answer_lost_after",
    "answer_reset_midway",
    "bad_gateway_after",
    "internal_error_after",
    "silence",
    "query_lost+callback_never",
)


def test_whoever_dies_whenever_every_payment_is_made_once(system: System) -> None:
    seed = int(os.environ.get("SOAK_SEED", "0")) or random.randrange(1, 10**6)
    chance = random.Random(seed)
    system.restart("worker", pool=("-P", "prefork", "-c", "2"))
    all_paid: list[Paid] = []
    stop = threading.Event()

    def pay(own: random.Random) -> None:
        client = Executor(system)
        while not stop.is_set():
            if len(system.unfinished()) > IN_FLIGHT_MAX:
                time.sleep(0.1)
                continue
            paid = system.payment("10.00")
            fault = own.choice(FAULTS)
            if fault is not None:
                system.misbehave(paid, fault)
            system.verify(paid)
            assert client.insist(paid).status_code == 202
            all_paid.append(paid)

    clients = [
        threading.Thread(target=pay, args=(random.Random(seed + each),)) for each in range(CLIENTS)
    ]
    for each in clients:
        each.start()
    killed: Counter[str] = Counter()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 2.0))
        victim = chance.choice(VICTIMS)
        pool = {"pool": ("-P", "prefork", "-c", "2")} if victim == "worker" else {}
        system.restart(victim, **pool)
        killed[victim] += 1
        system.assert_books_hold()
        worker = system.children["worker"]
        if worker.exit_code() is not None:  # losing Redis may end it; its supervisor is not here
            assert worker.exit_code() != -signal.SIGKILL
            system.restart("worker", pool=("-P", "prefork", "-c", "2"))
    stop.set()
    for each in clients:
        each.join(60)

    print(f"seed {seed}: {len(all_paid)} payments, killed {dict(killed)}")
    assert len(all_paid) >= SECONDS, f"seed {seed}: hardly anything was paid"
    system.await_success(*all_paid, seconds=180)
    system.assert_paid_once(*all_paid)
