"""A rail that fails every call for a minute: how hard it is knocked at, and what is left behind.

The real adapter and tasks over real HTTP; seconds are virtual, so that the minute is a short one.
"""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from pettycash.gateways import registry
from pettycash.models.payments import PaymentStatus
from pettycash.runtime import db, settings
from pettycash.runtime.rails import Rail
from pettycash.services.reconciliation.invariants import check_books
from tests.factories import working
from tests.lab.simulators.daraja import Simulator
from tests.tasks.payments.test_against_simulator import company, pay, simulator, statuses

__all__ = ["company", "simulator"]

PAYMENTS, WORKERS, OUTAGE_SECONDS = 40, 8, 60
PASSING_SECONDS = 30
DOWN = "unavailable_unseen:0+query_bad_gateway:0"
TOPICS = ("payments.submit", "payments.resolve", "callbacks.process")


class Counted:
    """A gateway, with its calls counted: by second, and how many are under way at once."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        self._counting = threading.Lock()
        self.second = 0
        self.calls: Counter[int] = Counter()
        self.lasted: list[float] = []
        self.inside = self.most = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        return self._counts(found) if name in ("submit", "query") else found

    def _counts(self, call: Any) -> Any:
        def counted(*given: Any, **named: Any) -> Any:
            with self._counting:
                self.calls[self.second] += 1
                self.inside += 1
                self.most = max(self.most, self.inside)
            try:
                return call(*given, **named)
            finally:
                with self._counting:
                    self.inside -= 1

        return counted


def a_second(rail: Counted, workers: ThreadPoolExecutor) -> None:
    """Hand out all that is due, to as many workers as there are, and let a second pass."""
    began = time.monotonic()
    while due := [each for each in working.claimed() if each.topic in TOPICS]:
        runs = [
            workers.submit(
                copy_context().run, partial(working.TASKS[each.topic], messages=[str(each.id)])
            )
            for each in due
        ]
        for run in runs:
            run.result(60)
    working.wait(1)
    rail.second += 1
    rail.lasted.append(1 + time.monotonic() - began)


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_retry_storm_after_an_outage_is_bounded_and_all_are_paid_once(
    company: UUID, simulator: Simulator
) -> None:
    del company
    rail = Counted(registry.for_rail(Rail.MPESA))
    registry.register(Rail.MPESA, lambda: rail)
    timing = settings.current()
    # The last question before it may be sent again, and one more; then one about that sending.
    longest = timing.resend_after_seconds + 2 * timing.query_interval_max_seconds
    made = pay({f"{800 + number}": "no fault" for number in range(PAYMENTS)})
    simulator.order("plan", seed=1, rates={DOWN: 1.0})

    with ThreadPoolExecutor(WORKERS) as workers:
        for _ in range(OUTAGE_SECONDS):
            a_second(rail, workers)
        down = Counter(rail.calls)
        simulator.forget("plan")
        for _ in range(int(longest) // PASSING_SECONDS):
            a_second(rail, workers)
            working.wait(PASSING_SECONDS)
            if {each.status for each in statuses(made).values()} == {PaymentStatus.SUCCESS}:
                break

    print(
        f"calls a second while the rail was down: {[down[each] for each in range(OUTAGE_SECONDS)]}"
    )
    assert rail.most <= timing.rail_calls_at_once
    assert sum(down.values()) <= 8 * PAYMENTS, "one sending each, and questions that grow rare"
    # What counts as a second is longer by the time that its work took here.
    late = max(down[each] / rail.lasted[each] for each in range(10, OUTAGE_SECONDS))
    assert late <= PAYMENTS / 3, "they do not ask in step"
    assert {each.status for each in statuses(made).values()} == {PaymentStatus.SUCCESS}
    for payment in statuses(made).values():
        assert len(simulator.movements(payment.originator_reference or "")) == 1
    with db.transaction() as session:
        assert check_books(session) == []
