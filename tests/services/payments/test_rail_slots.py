"""Slots for calls to a rail: never more than the cap at once, on real connections."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from pettycash.models.imprest import ProviderAccount, RailSlot
from pettycash.runtime import db, settings
from pettycash.services.payments import rail_slots
from tests.factories import working
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database

THREADS, CAP = 50, 3


@pytest.fixture
def account(live: Database) -> Iterator[UUID]:
    del live
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            found = session.execute(select(ProviderAccount.id)).scalar_one()
        yield found


def take(account: UUID, holder: UUID) -> bool:
    with db.transaction() as session:
        now = session.info["now"]
        return rail_slots.acquire(session, account_id=account, holder=holder, now=now)


def free(account: UUID, holder: UUID) -> None:
    with db.transaction() as session:
        rail_slots.free(session, account_id=account, holder=holder)


def holders(account: UUID) -> list[UUID]:
    with db.transaction() as session:
        return list(
            session.execute(
                select(RailSlot.holder).where(
                    RailSlot.provider_account_id == account, RailSlot.holder.is_not(None)
                )
            ).scalars()
        )


def test_of_fifty_at_once_the_cap_gets_a_slot(account: UUID) -> None:
    """Slots are made by the first who need them, which is a race of its own."""
    assert settings.current().rail_calls_at_once == CAP

    results = together([partial(take, account, uuid4()) for _ in range(THREADS)])

    assert (results.count(True), results.count(False)) == (CAP, THREADS - CAP)
    assert len(holders(account)) == CAP


def test_fifty_who_come_and_go_are_never_more_than_the_cap(account: UUID) -> None:
    """Counted where the call would be: between the two commits."""
    inside, most, served = 0, 0, 0
    counting = threading.Lock()

    def call() -> None:
        nonlocal inside, most, served
        for _ in range(200):
            holder = uuid4()
            if take(account, holder):
                with counting:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.002)
                with counting:
                    inside -= 1
                    served += 1
                free(account, holder)
                return
            time.sleep(0.02)

    assert together([call for _ in range(THREADS)]) == [None] * THREADS
    assert served == THREADS, "who found none free got one later"
    assert 1 < most <= CAP
    assert holders(account) == []


def test_a_holder_that_died_frees_its_slot_when_its_lease_has_ended(account: UUID) -> None:
    dead = [uuid4() for _ in range(CAP)]
    assert all(take(account, each) for each in dead)
    lease = settings.current().claim_lease_seconds
    working.wait(lease - 1)
    assert not take(account, uuid4())

    working.wait(1)
    results = together([partial(take, account, uuid4()) for _ in range(THREADS)])

    assert results.count(True) == CAP
    for each in dead:
        free(account, each)  # it was not dead after all, and gives back what is not its own
    assert len(holders(account)) == CAP


def test_each_account_has_slots_of_its_own(account: UUID) -> None:
    assert all(take(account, uuid4()) for _ in range(CAP))
    other = _second_account(account)

    assert take(other, uuid4())


def _second_account(first: UUID) -> UUID:
    with db.transaction() as session:
        found = session.get_one(ProviderAccount, first)
        second = ProviderAccount(
            **{
                name: getattr(found, name)
                for name in (
                    "company_id", "name", "method", "currency", "environment", "base_url",
                    "credentials", "credentials_key_id", "options",
                )
            },
            code="SECOND",
            shortcode="600993",
        )  # fmt: skip
        session.add(second)
        session.flush()
        return second.id
