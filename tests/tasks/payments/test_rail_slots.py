"""A rail that keeps its callers waiting: how many of them one account has at any moment."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from pettycash.gateways.base import Asked, Outcome, PayoutInstruction
from pettycash.gateways.flight import Deadline
from pettycash.models.imprest import RailSlot
from pettycash.models.payments import AttemptState, PaymentAttempt
from pettycash.runtime import db, settings
from pettycash.services import payments
from pettycash.tasks import payments as tasks
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database

A = AttemptState
CALLERS = 10
LONGEST = timedelta(seconds=3)
"""Until somebody looks again who found no slot."""


class SilentRail(rails.FakeGateway):
    """Lets nobody go until all callers wait here or were told to come later; counts who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.inside = self.outside = 0
        self.most = 0
        self._counting = threading.Lock()

    def submit(
        self, instruction: PayoutInstruction, *, leave_by: Deadline | None = None
    ) -> Outcome:
        self._wait()
        return super().submit(instruction, leave_by=leave_by)

    def query(self, instruction: PayoutInstruction, **ids: str | None) -> Outcome | Asked:
        self._wait()
        return super().query(instruction, **ids)

    def turned_away(self) -> None:
        """A caller has come to its end."""
        with self._counting:
            self.outside += 1
            self._look()

    def _wait(self) -> None:
        with self._counting:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._look()
        assert self.may_go.wait(50), "somebody is neither here nor turned away"
        with self._counting:
            self.inside -= 1

    def _look(self) -> None:
        if self.inside + self.outside == CALLERS:
            self.may_go.set()


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


def all_at_once(topic: str, attempts: list[UUID], rail: SilentRail) -> tuple[datetime, datetime]:
    """Let every worker come by; the rail answers once all have found their place.

    Returns from when until when that was.
    """

    def come_by(attempt: UUID) -> None:
        working.run_one(topic, attempt)
        rail.turned_away()

    began = now()
    assert together([partial(come_by, each) for each in attempts]) == [None] * len(attempts)
    return began, now()


def now() -> datetime:
    with db.transaction() as session:
        return session.info["now"]


def taken() -> int:
    with db.transaction() as session:
        return session.execute(select(func.count(RailSlot.holder))).scalar_one()


def due(topic: str, attempt: UUID) -> datetime:
    with db.transaction() as session:
        row = making.outbox_message(session, topic, attempt)
        assert row is not None
        return row.due_at


def test_never_more_than_the_cap_of_one_account_are_being_sent(
    attempts: list[UUID], rail: SilentRail
) -> None:
    cap = settings.current().rail_calls_at_once

    began, ended = all_at_once("payments.submit", attempts, rail)

    assert rail.most == cap
    waiting = [each for each in states(attempts) if each.state is A.QUEUED]
    assert len(waiting) == CALLERS - cap
    assert {each.tries for each in waiting} == {0}, "not taken, so nothing was tried"
    dues = [due("payments.submit", each.id) for each in waiting]
    assert len(set(dues)) == len(dues), "and not all of them at once"
    assert all(began < each <= ended + LONGEST for each in dues)
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
    rail.most = rail.outside = 0
    working.wait(21)

    began, ended = all_at_once("payments.resolve", attempts, rail)

    assert rail.most == cap
    waiting = [each for each in states(attempts) if each.queries == 0]
    assert len(waiting) == CALLERS - cap
    dues = [due("payments.resolve", each.id) for each in waiting]
    assert all(began < each <= ended + LONGEST for each in dues)
    assert taken() == 0

    working.wait(3)
    working.work("payments.resolve")

    assert all(each.queries for each in states(attempts)), "some more than once by now"
    assert len(rail.asked) >= CALLERS


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


def test_a_claim_that_was_lost_gives_its_slot_back(
    attempts: list[UUID], rail: SilentRail, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attempts[0]

    def take_over(point: str) -> None:
        if point == "payments.claimed":
            with db.transaction() as session:
                attempt = session.get_one(PaymentAttempt, first)
                making.set_attempt(session, attempt, claim=uuid4())

    monkeypatch.setattr(tasks, "crash_point", take_over)
    working.run_one("payments.submit", first)

    assert not rail.sent
    assert taken() == 0
