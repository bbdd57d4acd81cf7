"""Redis goes away, comes back, forgets everything: the outbox is in PostgreSQL."""

import signal
import time

import pytest
from redis import Redis

from pettycash.models.payments import PaymentStatus
from pettycash.runtime import settings
from pettycash.runtime.broker_watchdog import UNRESPONSIVE_AFTER_SECONDS
from tests.crash.client import Executor
from tests.crash.system import SETTLED_SECONDS, Paid, System
from tests.patience import budget
from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]

ANSWERED_SECONDS = 2.0
"""What the API may take while Redis is away, per request, on a busy machine."""

OUTAGES = [10.0, pytest.param(600.0, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("seconds", OUTAGES)
@pytest.mark.parametrize("how", ["refuse", "hold"])
def test_redis_unreachable_for_10_minutes_while_payments_are_under_way(
    system: System, how: str, seconds: float
) -> None:
    """Killed, it refuses, and comes back empty; stopped, it takes connections and is silent."""
    under_way = [system.payment() for _ in range(4)]
    meanwhile = [system.payment() for _ in range(4)]
    for paid in under_way:
        system.misbehave(paid, "callback_late:8")
    system.release(*under_way)
    system.await_state(under_way[-1], "accepted", "sending", "settled")

    for paid in meanwhile:
        system.verify(paid)
    client = Executor(system)
    if how == "refuse":
        system.kill("redis")
    else:
        _signal_redis(system, signal.SIGSTOP)
    began = time.monotonic()
    answers = [client.execute(paid) for paid in meanwhile]
    assert [answer.status_code for answer in answers] == [202] * len(meanwhile)
    assert time.monotonic() - began < budget(ANSWERED_SECONDS * len(meanwhile))
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    assert system.children["relay"].exit_code() is None, system.logs()
    system.assert_books_hold()
    if how == "refuse":
        system.restart("redis")
    else:
        _signal_redis(system, signal.SIGCONT)

    _await_success(system, *under_way, *meanwhile)
    system.assert_paid_once(*under_way, *meanwhile)


def test_redis_flushall_while_payments_are_under_way(system: System) -> None:
    paid = [system.payment() for _ in range(6)]
    system.children["worker"].process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
    system.release(*paid)
    with Redis.from_url(system.redis.url()) as client:
        # The account's slots bound how many are handed out, and the worker may have taken one.
        handed_out = min(len(paid), settings.current().rail_calls_at_once) - 1
        waiting = wait_until(lambda: int(client.llen("pettycash:payments")) >= handed_out, 10)
        assert waiting, "the messages never lay in Redis"
        client.flushall()
    system.children["worker"].process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]

    _await_success(system, *paid)
    system.assert_paid_once(*paid)


def _await_success(system: System, *all_paid: Paid) -> None:
    """A worker that hears Redis no more ends in a minute; another is started for it, as always."""

    def done() -> bool:
        if system.children["worker"].exit_code() is not None:
            system.restart("worker")
        return set(system.statuses(all_paid).values()) == {PaymentStatus.SUCCESS}

    wait_until(done, UNRESPONSIVE_AFTER_SECONDS + SETTLED_SECONDS, 0.1)
    system.await_success(*all_paid)


def _signal_redis(system: System, number: signal.Signals) -> None:
    process = system.children["redis"].process
    assert process is not None
    process.send_signal(number)
