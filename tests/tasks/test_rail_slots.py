"""A rail that keeps its callers waiting: how many of them one account has at any moment."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select

from pettycash import db, settings
from pettycash.gateways.base import Asked, Outcome, PayoutInstruction
from pettycash.models.attempts import AttemptState, PaymentAttempt
from pettycash.models.funds import RailSlot
from pettycash.services import payments
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database

A = AttemptState
CALLERS = 10


class SilentRail(rails.FakeGateway):
    """Lets nobody go until it is told to, and counts who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.inside = 0
        self.most = 0
        self._counting = threading.Lock()

    def submit(self, instruction: PayoutInstruction) -> Outcome:
        self._wait()
        return super().submit(instruction)

    def query(self, instruction: PayoutInstruction, **ids: str | None) -> Outcome | Asked:
        self._wait()
        return super().query(instruction, **ids)

    def _wait(self) -> None:
        with self._counting:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.may_go.wait(20)
        with self._counting:
            self.inside -= 1


@pytest.fixture
def rail(live: Database) -> SilentRail:
    del live
    gateway = SilentRail()
    rails.serve(gateway)
    return gateway


@pytest.fixture
def attempts(rail: SilentRail) -> Iterator[list[UUID]]:
    """As many released attempts as callers, all on one account."""
    del rail
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            made = [making.executing(session, "100.00") for _ in range(CALLERS)]
            found = [making.attempt_of(session, each).id for each in made]
        yield found


def states(attempts: list[UUID]) -> list[PaymentAttempt]:
    with db.transaction() as session:
        return [session.get_one(PaymentAttempt, each) for each in attempts]


def all_at_once(topic: str, attempts: list[UUID], rail: SilentRail) -> None:
    """Let every worker come by; the rail answers once all have found their place."""
    threading.Timer(4.0, rail.may_go.set).start()
    results = together([partial(working.run_one, topic, each) for each in attempts])
    assert results == [None] * len(attempts)


def taken() -> int:
    with db.transaction() as session:
        return session.execute(select(func.count(RailSlot.holder))).scalar_one()


def due(topic: str, attempt: UUID) -> tuple[datetime, timedelta]:
    """When an obligation is due, and how long that is from now."""
    with db.transaction() as session:
        row = making.obligation(session, topic, attempt)
        assert row is not None
        return row.due_at, row.due_at - session.info["now"]


def test_never_more_than_the_cap_of_one_account_are_being_sent(
    attempts: list[UUID], rail: SilentRail
) -> None:
    cap = settings.current().rail_calls_at_once

    all_at_once("payments.submit", attempts, rail)

    assert rail.most == cap
    waiting = [each for each in states(attempts) if each.state is A.QUEUED]
    assert len(waiting) == CALLERS - cap
    assert {each.tries for each in waiting} == {0}, "not taken, so nothing was tried"
    dues = [due("payments.submit", each.id) for each in waiting]
    assert len({at for at, _ in dues}) == len(dues), "and not all of them at once"
    assert all(timedelta(seconds=-5) < wait <= timedelta(seconds=3) for _, wait in dues)
    assert taken() == 0, "an answer that is recorded gives the slot back"

    working.wait(3)
    working.work("payments.submit")

    assert {each.state for each in states(attempts)} == {A.ACCEPTED}
    assert len(rail.sent) == CALLERS


def test_never_more_than_the_cap_of_one_account_are_asked_about(
    attempts: list[UUID], rail: SilentRail
) -> None:
    cap = settings.current().rail_calls_at_once
    rail.may_go.set()
    working.work("payments.submit")
    rail.may_go.clear()
    rail.most = 0
    working.wait(21)

    all_at_once("payments.resolve", attempts, rail)

    assert rail.most == cap
    waiting = [each for each in states(attempts) if each.queries == 0]
    assert len(waiting) == CALLERS - cap
    dues = [due("payments.resolve", each.id) for each in waiting]
    assert all(timedelta(seconds=-5) < wait <= timedelta(seconds=3) for _, wait in dues)
    assert taken() == 0

    working.wait(3)
    working.work("payments.resolve")

    assert {each.queries for each in states(attempts)} == {1}
    assert len(rail.asked) == CALLERS


def test_sendings_and_questions_share_the_slots(attempts: list[UUID], rail: SilentRail) -> None:
    cap = settings.current().rail_calls_at_once
    for each in attempts[:cap]:
        with db.transaction() as session:
            assert payments.claim(session, attempt_id=each, now=session.info["now"]) is not None
    with db.transaction() as session:
        late = session.get_one(PaymentAttempt, attempts[-1])
        late.state, late.first_sent_at = A.UNKNOWN, session.info["now"]

    rail.may_go.set()
    working.run_one("payments.resolve", attempts[-1])
    assert rail.asked == []

    working.wait(settings.current().claim_lease_seconds)  # those that had claimed are dead
    working.run_one("payments.resolve", attempts[-1])
    assert len(rail.asked) == 1
