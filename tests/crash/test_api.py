"""The API is killed while it releases: the same Idempotency-Key again gives the one answer."""

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.crash.system import Paid, System

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

RELEASED_BY_THEN = {
    "releases.held": False,
    "releases.executed": False,
    "api.stored": False,
    "api.committed": True,  # released, and nobody was told
}
CLIENTS, KILLS = 6, 6


class Executor:
    """A client that releases, with one key per payment and a token of its own."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.token = system.token("treasury_2")

    def execute(self, paid: Paid, key: str) -> requests.Response:
        """One request; raises where the server ends in the middle of it."""
        return requests.post(
            f"{self.system.api_url}/api/payments/{paid.id}/execute/",
            headers={"Authorization": f"Bearer {self.token}", "Idempotency-Key": key},
            timeout=15,
        )

    def insist(self, paid: Paid, key: str) -> requests.Response:
        """Ask again with the same key until there is an answer."""
        for _ in range(100):
            try:
                answer = self.execute(paid, key)
            except requests.RequestException:
                time.sleep(0.1)
                continue
            if answer.status_code != 409 or "key_at_work" not in answer.text:
                return answer
            time.sleep(0.1)
        raise AssertionError("no answer")


def test_the_api_dies_at_every_step_of_a_release_and_the_same_key_is_answered_once(
    system: System,
) -> None:
    """One request, sent again after each death; only the last death comes after the commit."""
    paid, key = system.payment(), str(uuid4())
    system.verify(paid)
    client = Executor(system)
    system.restart("api", crash_at=",".join(RELEASED_BY_THEN))

    for step, is_released in RELEASED_BY_THEN.items():
        with pytest.raises(requests.ConnectionError):
            client.execute(paid, key)
        assert system.reached(step) == 1, step
        assert system.executions(paid) == int(is_released), step
        system.assert_books_hold()
    second, third = client.insist(paid, key), client.insist(paid, key)

    assert (second.status_code, third.status_code) == (202, 202), second.text
    assert second.content == third.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json()["status"] == "executing"
    assert system.executions(paid) == 1
    system.await_success(paid)
    system.assert_paid_once(paid)


def test_the_api_dies_with_a_callback_in_its_hand_and_the_rail_is_asked(system: System) -> None:
    system.restart("api", crash_at="callbacks.received")
    paid = system.payment()

    system.release(paid)

    system.await_success(paid)
    assert system.reached("callbacks.received") >= 1
    system.assert_paid_once(paid)


def test_api_workers_are_killed_again_and_again_under_clients(system: System) -> None:
    load = [system.payment() for _ in range(CLIENTS * 3)]
    for paid in load:
        system.verify(paid)
    keys = {paid.id: str(uuid4()) for paid in load}
    client = Executor(system)
    answers: dict[str, requests.Response] = {}

    def run(share: list[Paid]) -> None:
        for paid in share:
            answers[keys[paid.id]] = client.insist(paid, keys[paid.id])

    threads = [
        threading.Thread(target=run, args=(load[start::CLIENTS],)) for start in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    killed = 0
    while killed < KILLS and any(thread.is_alive() for thread in threads):
        killed += _kill_a_worker(system)
        time.sleep(0.15)
    for thread in threads:
        thread.join(60)

    assert killed >= 2, "they were done before anybody was killed"
    assert {answer.status_code for answer in answers.values()} == {202}
    assert len(answers) == len(load)
    assert [system.executions(paid) for paid in load] == [1] * len(load)
    for paid in itertools.islice(load, 3):
        again = client.insist(paid, keys[paid.id])
        assert again.content == answers[keys[paid.id]].content
    system.await_success(*load)
    system.assert_paid_once(*load)


def _kill_a_worker(system: System) -> int:
    """SIGKILL a process that gunicorn has forked; how many that were."""
    arbiter = system.children["api"].pid
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text(encoding="ascii").split()
    for pid in children[:1]:
        os.kill(int(pid), signal.SIGKILL)
    return len(children[:1])
