"""Replenishments: the formula, and one open per fund under fifty callers."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.imprest import (
    Fund,
    Replenishment,
    ReplenishmentStatus,
)
from pettycash.models.requisitions import RequisitionKind
from pettycash.runtime import db, settings
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import funds, replenishments
from pettycash.services.ledger import posting
from tests import books
from tests.factories.people import acting, company_id, user_id
from tests.races import together
from tests.replenishing import (
    by_hand,
    consider,
    low,
)
from tests.servers import Database

KES = Decimal
S = ReplenishmentStatus


@pytest.fixture
def fund(session: Session) -> Fund:
    """Westlands: float 50,000, reorder level 40,000."""
    return books.fund(session)


def test_the_level_itself_is_enough(session: Session, fund: Fund) -> None:
    books.pay(session, "10000.00")
    assert funds.available(session, fund.id) == fund.reorder_level

    assert consider(session, fund) is None


def test_a_shilling_below_the_level_asks(session: Session, fund: Fund) -> None:
    books.pay(session, "10000.01")

    found = consider(session, fund)

    assert found is not None
    assert found.status is S.PENDING
    assert found.auto_triggered is True
    assert found.proposed_by is None
    assert found.requested_amount == KES("10000.01")
    assert (found.current_balance, found.available) == (KES("39999.99"), KES("39999.99"))
    assert found.store_id == books.store(session).id
    assert found.number.startswith("REP-")
    assert found.identity["vouchers_not_replenished"] == "10000.01"
    assert found.identity["difference"] == "0.00"


def test_held_money_is_not_available(session: Session, fund: Fund) -> None:
    posting.hold(
        session,
        account_id=books.store(session).account_id,
        source="h",
        currency="KES",
        amount=KES("10000.01"),
    )

    found = consider(session, fund)

    assert found is not None
    assert found.requested_amount == KES("10000.01")
    assert (found.current_balance, found.available) == (KES("50000.00"), KES("39999.99"))


def test_advances_outstanding_are_not_asked_for(session: Session, fund: Fund) -> None:
    books.pay(session, "6000.00", kind=RequisitionKind.ADVANCE)
    books.pay(session, "5000.00")

    found = consider(session, fund)

    assert found is not None
    assert found.requested_amount == KES("5000.00")


def test_where_only_advances_are_out_nothing_is_asked(session: Session, fund: Fund) -> None:
    books.pay(session, "12000.00", kind=RequisitionKind.ADVANCE)

    assert consider(session, fund) is None


def test_asking_again_finds_the_same(session: Session, fund: Fund) -> None:
    first = low(session, fund)

    assert consider(session, fund) is first
    assert session.execute(select(Replenishment)).scalars().all() == [first]


def test_the_money_goes_where_it_was_spent(session: Session, fund: Fund) -> None:
    fund.cash_limit = None
    drawer = books.store(session, "WESTLANDS-DRAWER")
    books.pay(session, "9000.00", store_code="WESTLANDS-DRAWER")
    books.pay(session, "2000.00")

    found = consider(session, fund)

    assert found is not None
    assert found.store_id == drawer.id


def test_the_store_that_was_decreased_is_preferred(session: Session, fund: Fund) -> None:
    books.pay(session, "12000.00")
    drawer = books.store(session, "WESTLANDS-DRAWER")

    found = replenishments.consider(
        session, fund_id=fund.id, now=session.info["now"], store_id=drawer.id
    )

    assert found is not None
    assert found.store_id == drawer.id


def test_a_closed_fund_asks_for_nothing(session: Session, fund: Fund) -> None:
    books.pay(session, "12000.00")
    fund.is_active = False

    assert consider(session, fund) is None


def test_a_rejected_one_cools_down(session: Session, fund: Fund) -> None:
    now = session.info["now"]
    replenishments.reject(
        Uow(session, acting(session, "group_finance_manager"), now),
        replenishment_id=low(session, fund).id,
        reason="Next week",
    )

    cooldown = timedelta(seconds=settings.current().replenishment_cooldown_seconds)
    early = now + cooldown - timedelta(seconds=1)
    assert replenishments.consider(session, fund_id=fund.id, now=early) is None
    assert replenishments.consider(session, fund_id=fund.id, now=now + cooldown) is not None


def test_a_cancelled_one_does_not_cool_down(session: Session, fund: Fund) -> None:
    first = low(session, fund)
    replenishments.cancel(
        Uow.of(session, acting(session, "treasury")),
        replenishment_id=first.id,
        reason="Wrong store",
    )

    assert consider(session, fund) not in (None, first)


def test_by_hand_it_may_be_asked_above_the_level(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")

    found = by_hand(session, fund)

    assert (found.auto_triggered, found.requested_amount) == (False, KES("100.00"))
    assert found.proposed_by == user_id(session, "custodian")


def test_a_full_fund_gets_nothing(session: Session, fund: Fund) -> None:
    with pytest.raises(replenishments.NothingToReplenish):
        by_hand(session, fund)


def test_only_one_is_open(session: Session, fund: Fund) -> None:
    low(session, fund)

    with pytest.raises(replenishments.AlreadyOpen):
        by_hand(session, fund)


def test_another_funds_store_is_not_found(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")

    with pytest.raises(funds.StoreNotFound):
        replenishments.raise_by_hand(
            Uow.of(session, acting(session, "treasury")),
            fund_id=fund.id,
            reason="x",
            store_id=books.store(session, "MOMBASA-DRAWER").id,
        )


def test_a_fund_beyond_ones_scope_does_not_exist(session: Session, fund: Fund) -> None:
    with pytest.raises(funds.FundNotFound):
        by_hand(session, fund, name="custodian_mombasa")


def test_an_amount_fits_its_currency(session: Session) -> None:
    with pytest.raises(replenishments.InvalidReplenishment):
        replenishments.raise_by_hand(
            Uow.of(session, acting(session, "treasury")),
            fund_id=books.fund(session, "HQ-UGX").id,
            reason="x",
            amount=KES("10.50"),
        )


@pytest.fixture
def demo(live: Database) -> Iterator[UUID]:
    """The fund of Westlands on a database of its own."""
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        found = books.fund(session).id
    with db.scope(company_id=company_id("DEMO")):
        yield found


def test_fifty_callers_at_once_raise_one(demo: UUID) -> None:
    with db.transaction() as session:
        books.pay(session, "12000.00")

    def call() -> UUID:
        return db.in_transaction(
            lambda session: (
                replenishments.consider(  # type: ignore[union-attr]
                    session, fund_id=demo, now=session.info["now"]
                ).id
            )
        )

    results = together([call] * 50)

    assert len(set(results)) == 1
    assert all(isinstance(each, UUID) for each in results)
    with db.transaction() as session:
        assert len(session.execute(select(Replenishment.id)).all()) == 1


def test_fifty_decreases_at_once_raise_one(demo: UUID) -> None:
    """Each takes a hold of its own and looks: none of them alone goes below the level."""

    def decrease(number: int) -> None:
        def work(session: Session) -> None:
            code = "WESTLANDS-MPESA" if number % 2 else "WESTLANDS-DRAWER"
            posting.hold(
                session,
                account_id=books.store(session, code).account_id,
                source=f"many:{number}",
                currency="KES",
                amount=KES("300.00"),
            )
            replenishments.consider(session, fund_id=demo, now=session.info["now"])

        db.in_transaction(work)

    results = together([partial(decrease, number) for number in range(50)])

    assert results == [None] * 50
    with db.transaction() as session:
        assert funds.available(session, demo) == KES("35000.00")
        assert len(session.execute(select(Replenishment.id)).all()) == 1


def test_two_decreases_that_do_not_see_each_other_still_ask(demo: UUID) -> None:
    """6,000 out of each of two stores: either leaves 44,000, both 38,000, below 40,000."""

    both_hold = threading.Barrier(2)

    def decrease(code: str) -> None:
        with db.transaction() as session:
            posting.hold(
                session,
                account_id=books.store(session, code).account_id,
                source=f"two:{code}",
                currency="KES",
                amount=KES("6000.00"),
            )
            both_hold.wait(10)
            replenishments.consider(session, fund_id=demo, now=session.info["now"])
            # Neither has committed when the other one looks, unless they take turns.
            session.execute(text("SELECT pg_sleep(0.5)"))

    codes = ("WESTLANDS-MPESA", "WESTLANDS-DRAWER")
    assert together([partial(decrease, code) for code in codes]) == [None, None]

    with db.transaction() as session:
        assert len(session.execute(select(Replenishment.id)).all()) == 1


def test_two_by_hand_at_once_and_one_is_told(demo: UUID) -> None:
    with db.transaction() as session:
        books.pay(session, "100.00")
        fund = books.fund(session)
        actors = [acting(session, name) for name in ("custodian", "treasury")]

    def ask(number: int) -> None:
        db.in_transaction(
            lambda session: (
                replenishments.raise_by_hand(
                    Uow.of(session, actors[number]), fund_id=fund.id, reason="x"
                )
                and None
            )
        )

    results = together([partial(ask, 0), partial(ask, 1)])

    assert {type(each) for each in results} == {type(None), replenishments.AlreadyOpen}
