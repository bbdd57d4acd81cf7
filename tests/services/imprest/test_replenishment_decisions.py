"""Who decides on a replenishment, and for how much."""

from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.imprest import (
    Fund,
    ReplenishmentStatus,
)
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from pettycash.services.ledger import posting
from tests import books
from tests.factories.people import acting, user_id
from tests.replenishing import (
    approved,
    by_hand,
    consider,
    low,
)

KES = Decimal
S = ReplenishmentStatus


@pytest.fixture
def fund(session: Session) -> Fund:
    """Westlands: float 50,000, reorder level 40,000."""
    return books.fund(session)


def test_approval_reckons_anew(session: Session, fund: Fund) -> None:
    found = low(session, fund)
    books.pay(session, "500.00")

    replenishments.approve(
        Uow.of(session, acting(session, "group_finance_manager")), replenishment_id=found.id
    )

    assert (found.status, found.approved_amount) == (S.APPROVED, KES("12500.00"))
    assert found.requested_amount == KES("12000.00")
    assert found.approved_by == user_id(session, "group_finance_manager")
    assert found.identity["vouchers_not_replenished"] == "12500.00"


def test_a_fund_that_filled_up_meanwhile_is_not_approved(session: Session, fund: Fund) -> None:
    posting.hold(
        session,
        account_id=books.store(session).account_id,
        source="h",
        currency="KES",
        amount=KES("12000.00"),
    )
    found = consider(session, fund)
    assert found is not None
    posting.void_hold(session, source="h")

    with pytest.raises(replenishments.NothingToReplenish):
        replenishments.approve(Uow.of(session, acting(session, "cfo")), replenishment_id=found.id)


def test_who_asked_does_not_decide(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")
    asker = acting(session, "group_finance_manager")
    found = by_hand(session, fund, name="group_finance_manager")
    uow = Uow.of(session, asker)
    facts = {"replenishment_id": found.id}

    with pytest.raises(decisions.OwnProposal):
        replenishments.approve(uow, **facts)
    with pytest.raises(decisions.OwnProposal):
        replenishments.reject(uow, **facts, reason="x")
    assert found.status is S.PENDING


@pytest.mark.parametrize("amount", ["100.01", "60000.00"])
def test_more_than_the_float_takes_the_cfo(session: Session, fund: Fund, amount: str) -> None:
    books.pay(session, "100.00")
    fund.maximum_balance = None
    found = by_hand(session, fund, amount=amount)

    with pytest.raises(replenishments.ReplenishmentNeedsCfo):
        replenishments.approve(
            Uow.of(session, acting(session, "group_finance_manager")), replenishment_id=found.id
        )
    replenishments.approve(Uow.of(session, acting(session, "cfo")), replenishment_id=found.id)

    assert found.approved_amount == KES(amount)


def test_less_than_the_float_is_approved_as_asked(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")
    found = by_hand(session, fund, amount="40.00")

    replenishments.approve(
        Uow.of(session, acting(session, "group_finance_manager")), replenishment_id=found.id
    )

    assert found.approved_amount == KES("40.00")


def test_what_no_voucher_accounts_for_takes_the_cfo(session: Session, fund: Fund) -> None:
    """A raised float: within the target, not vouched."""
    books.pay(session, "12000.00")
    fund.target_balance = fund.maximum_balance = KES("60000.00")
    found = consider(session, fund)
    assert found is not None
    assert found.requested_amount == KES("22000.00")

    with pytest.raises(replenishments.ReplenishmentNeedsCfo):
        replenishments.approve(
            Uow.of(session, acting(session, "group_finance_manager")), replenishment_id=found.id
        )


def test_a_drawer_takes_no_more_than_its_maximum(session: Session, fund: Fund) -> None:
    books.pay(session, "12000.00")
    drawer = books.store(session, "WESTLANDS-DRAWER")
    fund.target_balance = fund.maximum_balance = KES("50000.00")
    found = replenishments.consider(
        session, fund_id=fund.id, now=session.info["now"], store_id=drawer.id
    )
    assert found is not None
    session.execute(
        text("UPDATE funds SET target_balance = 20001, maximum_balance = 20001, reorder_level = 1")
    )
    session.expire_all()
    session.execute(
        text("""UPDATE replenishments SET identity = identity || '{"asked_amount": "12000.00"}'""")
    )

    with pytest.raises(replenishments.DrawerTooSmall):
        replenishments.approve(Uow.of(session, acting(session, "cfo")), replenishment_id=found.id)


@pytest.mark.parametrize("verb", ["reject", "cancel"])
def test_who_says_no_says_why(session: Session, fund: Fund, verb: str) -> None:
    found = low(session, fund)

    with pytest.raises(decisions.ReasonMissing):
        getattr(replenishments, verb)(
            Uow.of(session, acting(session, "cfo")), replenishment_id=found.id, reason="  "
        )


def test_a_decided_one_is_not_decided_again(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    uow = Uow.of(session, acting(session, "cfo"))
    facts = {"replenishment_id": found.id}

    with pytest.raises(decisions.AlreadyDecided):
        replenishments.approve(uow, **facts)
    with pytest.raises(decisions.AlreadyDecided):
        replenishments.reject(uow, **facts, reason="x")


def test_another_branchs_custodian_sees_nothing_of_it(session: Session, fund: Fund) -> None:
    found = low(session, fund)

    with pytest.raises(replenishments.ReplenishmentNotFound):
        replenishments.cancel(
            Uow.of(session, acting(session, "custodian_mombasa")),
            replenishment_id=found.id,
            reason="x",
        )
