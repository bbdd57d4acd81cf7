"""Deadlocks: the product's own units of work have none; one that is made ends by a second try."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.ledger import Hold
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.runtime import db, process
from pettycash.services.imprest import replenishments
from pettycash.services.ledger import posting
from pettycash.services.reconciliation.invariants import check_books
from tests import books
from tests.factories.people import company_id
from tests.patience import budget
from tests.races import together
from tests.servers import Database

FUNDS = ("WESTLANDS-MPESA", "HQ-MPESA")
THREADS = 50
EACH = Decimal("100.00")


@pytest.fixture
def stores(live: Database) -> Iterator[dict[str, tuple[UUID, UUID]]]:
    """Store → its account and its fund; a connection for each thread, and time to stand in line."""
    usual = live.settings
    process.lay(
        replace(
            usual,
            database_pool_size=THREADS,
            statement_timeout_seconds=budget(usual.statement_timeout_seconds),
            lock_timeout_seconds=budget(usual.lock_timeout_seconds),
        )
    )
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            found = {code: books.store(session, code) for code in FUNDS}
        yield {code: (each.account_id, each.fund_id) for code, each in found.items()}


def test_deadlock_with_50_threads_over_two_funds(stores: dict[str, tuple[UUID, UUID]]) -> None:
    """Half of them release out of the one and settle in the other, half the other way round."""
    tries: Counter[str] = Counter()

    def unit(name: str, work: Callable[[Session], object]) -> None:
        def counted(session: Session) -> None:
            tries[name] += 1
            work(session)

        db.in_transaction(counted)

    def release(code: str, name: str, session: Session) -> None:
        account_id, fund_id = stores[code]
        posting.hold(session, account_id=account_id, source=name, currency="KES", amount=EACH)
        replenishments.consider(session, fund_id=fund_id, now=session.info["now"])

    def settle(code: str, session: Session) -> None:
        books.pay(session, str(EACH), store_code=code)
        replenishments.consider(session, fund_id=stores[code][1], now=session.info["now"])

    def replenish(code: str, session: Session) -> None:
        replenishments.sweep(session, fund_id=stores[code][1], now=session.info["now"])

    def act(number: int) -> None:
        first, second = FUNDS if number % 2 else reversed(FUNDS)
        unit(f"release {number}", partial(release, first, f"many:{number}"))
        unit(f"settle {number}", partial(settle, second))
        for code in (first, second):
            unit(f"replenish {code} {number}", partial(replenish, code))

    assert together([partial(act, number) for number in range(THREADS)]) == [None] * THREADS

    assert len(tries) == 4 * THREADS
    assert max(tries.values()) <= 5
    with db.transaction() as session:
        paid = select(func.count()).where(Payment.status == PaymentStatus.SUCCESS)
        assert session.execute(paid).scalar_one() == THREADS
        held = select(func.count()).where(Hold.state == "open", Hold.source.like("many:%"))
        assert session.execute(held).scalar_one() == THREADS
        assert check_books(session) == []


def test_a_deadlock_is_ended_by_postgresql_and_the_unit_runs_again(
    stores: dict[str, tuple[UUID, UUID]],
) -> None:
    both_hold = threading.Barrier(2)
    tries: Counter[str] = Counter()

    def take(first: str, second: str) -> None:
        def work(session: Session) -> None:
            tries[first] += 1
            for code in (first, second):
                posting.hold(
                    session,
                    account_id=stores[code][0],
                    source=f"{first}:{code}",
                    currency="KES",
                    amount=EACH,
                )
                if code == first and tries[first] == 1:
                    both_hold.wait(10)

        db.in_transaction(work)

    results = together([partial(take, *FUNDS), partial(take, *reversed(FUNDS))])

    assert results == [None, None]
    assert sorted(tries.values()) == [1, 2]
    with db.transaction() as session:
        held = select(func.count()).where(Hold.state == "open")
        assert session.execute(held).scalar_one() == 4
