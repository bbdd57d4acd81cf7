"""The API is killed while it releases: the same Idempotency-Key again gives the one answer."""

import itertools
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.crash.client import Executor
from tests.crash.system import Paid, System

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

RELEASED_BY_THEN = {
    "releases.held": False,
    "releases.executed": False,
    "api.stored": False,
    "api.committed": True,  # released, and nobody was told
}
CLIENTS, KILLS = 6, 6


def test_api_sigkill_at_every_step_and_the_same_key_is_answered_once(
    system: System,
) -> None:
    """One request, sent again after each death; only the last death comes after the commit."""
    paid = system.payment()
    system.verify(paid)
    client = Executor(system)
    system.restart("api", crash_at=",".join(RELEASED_BY_THEN))

    for step, is_released in RELEASED_BY_THEN.items():
        with pytest.raises(requests.ConnectionError):
            client.execute(paid)
        assert system.reached(step) == 1, step
        assert system.executions(paid) == int(is_released), step
        system.assert_books_hold()
    second, third = client.insist(paid), client.insist(paid)

    assert (second.status_code, third.status_code) == (202, 202), second.text
    assert second.content == third.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json()["status"] == "executing"
    assert system.executions(paid) == 1
    system.await_success(paid)
    system.assert_paid_once(paid)


def test_cut_at_commit_and_the_same_key_finds_what_was_committed(system: System) -> None:
    """The commit of the release stands, and the API never hears of it."""
    paid = system.payment()
    system.verify(paid)
    client = Executor(system)
    system.arm("api.stored=lose")

    broken = client.execute(paid)
    again = client.insist(paid)

    assert [step for step, _ in system.struck()] == ["api.stored"]
    assert (broken.status_code, again.status_code) == (503, 202), broken.text
    assert again.headers["Idempotency-Replayed"] == "true"
    assert system.executions(paid) == 1
    system.await_success(paid)
    system.assert_paid_once(paid)


def test_api_worker_sigkill_again_and_again_under_clients(system: System) -> None:
    load = [system.payment() for _ in range(CLIENTS * 3)]
    for paid in load:
        system.verify(paid)
    client = Executor(system)
    answers: dict[Paid, requests.Response] = {}

    def run(share: list[Paid]) -> None:
        for paid in share:
            answers[paid] = client.insist(paid)

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
        assert client.insist(paid).content == answers[paid].content
    system.await_success(*load)
    system.assert_paid_once(*load)


def _kill_a_worker(system: System) -> int:
    """SIGKILL a process that gunicorn has forked; how many that were."""
    arbiter = system.children["api"].pid
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text(encoding="ascii").split()
    for pid in children[:1]:
        os.kill(int(pid), signal.SIGKILL)
    return len(children[:1])
