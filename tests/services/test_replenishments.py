"""Replenishments: the formula, one open per fund, four people, deliveries, and every refusal."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash import db, settings
from pettycash.cli.seed.personas import fixed_credentials
from pettycash.models.funds import Fund
from pettycash.models.imprest import (
    IllegalReplenishmentState,
    Replenishment,
    ReplenishmentStatus,
)
from pettycash.models.ledger import AccountKind
from pettycash.models.people import Role
from pettycash.models.platform import Case, CaseKind, CaseStatus, PauseScope
from pettycash.models.requisitions import RequisitionKind
from pettycash.services import funds, imprest, ledger, pauses, releases, replenishments
from pettycash.services.releases import checking
from tests import books
from tests.factories.people import acting, company_id, user_id
from tests.races import together
from tests.servers import Database

KES = Decimal
S = ReplenishmentStatus


@pytest.fixture
def fund(session: Session) -> Fund:
    """Westlands: float 50,000, reorder level 40,000."""
    return books.fund(session)


def consider(session: Session, fund: Fund) -> Replenishment | None:
    return replenishments.consider(session, fund_id=fund.id, now=session.info["now"])


def low(session: Session, fund: Fund, spent: str = "12000.00") -> Replenishment:
    """A fund that spent enough to ask for money."""
    books.pay(session, spent)
    found = consider(session, fund)
    assert found is not None
    return found


def approved(session: Session, fund: Fund, spent: str = "12000.00") -> Replenishment:
    return replenishments.approve(
        session,
        replenishment_id=low(session, fund, spent).id,
        actor=acting(session, "group_finance_manager"),
        now=session.info["now"],
    )


def code_of(session: Session, name: str) -> str:
    """What the persona's TOTP app shows."""
    return pyotp.TOTP(fixed_credentials(name).totp_secret).at(session.info["now"])


def verified(session: Session, found: Replenishment, name: str = "treasury") -> None:
    now = session.info["now"]
    actor = acting(session, name)
    replenishments.request_code(session, replenishment_id=found.id, actor=actor, now=now)
    result = replenishments.check_code(
        session, replenishment_id=found.id, actor=actor, code=code_of(session, name), now=now
    )
    assert result.refusal is None


def funded(session: Session, fund: Fund, name: str = "treasury") -> Replenishment:
    found = approved(session, fund)
    verified(session, found, name)
    return replenishments.fund(
        session,
        replenishment_id=found.id,
        actor=acting(session, name),
        bank_reference="FT26325XYZ",
        now=session.info["now"],
    )


def receive(
    session: Session, found: Replenishment, amount: str, name: str = "custodian"
) -> Replenishment:
    return replenishments.receive(
        session,
        replenishment_id=found.id,
        actor=acting(session, name),
        amount=KES(amount),
        now=session.info["now"],
    )


# Asking


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
    assert found.requested_by is None
    assert found.requested_amount == KES("10000.01")
    assert (found.current_balance, found.available) == (KES("39999.99"), KES("39999.99"))
    assert found.store_id == books.store(session).id
    assert found.number.startswith("REP-")
    assert found.identity["vouchers_not_replenished"] == "10000.01"
    assert found.identity["difference"] == "0.00"


def test_held_money_is_not_available(session: Session, fund: Fund) -> None:
    ledger.hold(
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
        session,
        replenishment_id=low(session, fund).id,
        actor=acting(session, "group_finance_manager"),
        reason="Next week",
        now=now,
    )

    cooldown = timedelta(seconds=settings.current().replenishment_cooldown_seconds)
    early = now + cooldown - timedelta(seconds=1)
    assert replenishments.consider(session, fund_id=fund.id, now=early) is None
    assert replenishments.consider(session, fund_id=fund.id, now=now + cooldown) is not None


def test_a_cancelled_one_does_not_cool_down(session: Session, fund: Fund) -> None:
    first = low(session, fund)
    replenishments.cancel(
        session,
        replenishment_id=first.id,
        actor=acting(session, "treasury"),
        reason="Wrong store",
        now=session.info["now"],
    )

    assert consider(session, fund) not in (None, first)


# By hand


def by_hand(
    session: Session, fund: Fund, *, name: str = "custodian", amount: str | None = None
) -> Replenishment:
    return replenishments.raise_by_hand(
        session,
        fund_id=fund.id,
        actor=acting(session, name),
        now=session.info["now"],
        reason="A busy week ahead",
        amount=KES(amount) if amount else None,
    )


def test_by_hand_it_may_be_asked_above_the_level(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")

    found = by_hand(session, fund)

    assert (found.auto_triggered, found.requested_amount) == (False, KES("100.00"))
    assert found.requested_by == user_id(session, "custodian")


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
            session,
            fund_id=fund.id,
            actor=acting(session, "treasury"),
            now=session.info["now"],
            reason="x",
            store_id=books.store(session, "MOMBASA-DRAWER").id,
        )


def test_a_fund_beyond_ones_scope_does_not_exist(session: Session, fund: Fund) -> None:
    with pytest.raises(funds.FundNotFound):
        by_hand(session, fund, name="custodian_mombasa")


def test_an_amount_fits_its_currency(session: Session) -> None:
    with pytest.raises(replenishments.InvalidReplenishment):
        replenishments.raise_by_hand(
            session,
            fund_id=books.fund(session, "HQ-UGX").id,
            actor=acting(session, "treasury"),
            now=session.info["now"],
            reason="x",
            amount=KES("10.50"),
        )


# Deciding


def test_approval_reckons_anew(session: Session, fund: Fund) -> None:
    found = low(session, fund)
    books.pay(session, "500.00")

    replenishments.approve(
        session,
        replenishment_id=found.id,
        actor=acting(session, "group_finance_manager"),
        now=session.info["now"],
    )

    assert (found.status, found.approved_amount) == (S.APPROVED, KES("12500.00"))
    assert found.requested_amount == KES("12000.00")
    assert found.approved_by == user_id(session, "group_finance_manager")
    assert found.identity["vouchers_not_replenished"] == "12500.00"


def test_a_fund_that_filled_up_meanwhile_is_not_approved(session: Session, fund: Fund) -> None:
    ledger.hold(
        session,
        account_id=books.store(session).account_id,
        source="h",
        currency="KES",
        amount=KES("12000.00"),
    )
    found = consider(session, fund)
    assert found is not None
    ledger.void_hold(session, source="h")

    with pytest.raises(replenishments.NothingToReplenish):
        replenishments.approve(
            session,
            replenishment_id=found.id,
            actor=acting(session, "cfo"),
            now=session.info["now"],
        )


def test_who_asked_does_not_decide(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")
    asker = acting(session, "group_finance_manager")
    found = by_hand(session, fund, name="group_finance_manager")
    facts = {"replenishment_id": found.id, "actor": asker, "now": session.info["now"]}

    with pytest.raises(replenishments.NotSeparate):
        replenishments.approve(session, **facts)
    with pytest.raises(replenishments.NotSeparate):
        replenishments.reject(session, **facts, reason="x")
    assert found.status is S.PENDING


@pytest.mark.parametrize("amount", ["100.01", "60000.00"])
def test_more_than_the_float_takes_the_cfo(session: Session, fund: Fund, amount: str) -> None:
    books.pay(session, "100.00")
    fund.maximum_balance = None
    found = by_hand(session, fund, amount=amount)

    with pytest.raises(replenishments.MustBeCfo):
        replenishments.approve(
            session,
            replenishment_id=found.id,
            actor=acting(session, "group_finance_manager"),
            now=session.info["now"],
        )
    replenishments.approve(
        session, replenishment_id=found.id, actor=acting(session, "cfo"), now=session.info["now"]
    )

    assert found.approved_amount == KES(amount)


def test_less_than_the_float_is_approved_as_asked(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")
    found = by_hand(session, fund, amount="40.00")

    replenishments.approve(
        session,
        replenishment_id=found.id,
        actor=acting(session, "group_finance_manager"),
        now=session.info["now"],
    )

    assert found.approved_amount == KES("40.00")


def test_what_no_voucher_accounts_for_takes_the_cfo(session: Session, fund: Fund) -> None:
    """A raised float: within the target, not vouched."""
    books.pay(session, "12000.00")
    fund.target_balance = fund.maximum_balance = KES("60000.00")
    found = consider(session, fund)
    assert found is not None
    assert found.requested_amount == KES("22000.00")

    with pytest.raises(replenishments.MustBeCfo):
        replenishments.approve(
            session,
            replenishment_id=found.id,
            actor=acting(session, "group_finance_manager"),
            now=session.info["now"],
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
        replenishments.approve(
            session,
            replenishment_id=found.id,
            actor=acting(session, "cfo"),
            now=session.info["now"],
        )


@pytest.mark.parametrize("verb", ["reject", "cancel"])
def test_who_says_no_says_why(session: Session, fund: Fund, verb: str) -> None:
    found = low(session, fund)

    with pytest.raises(replenishments.ReasonMissing):
        getattr(replenishments, verb)(
            session,
            replenishment_id=found.id,
            actor=acting(session, "cfo"),
            reason="  ",
            now=session.info["now"],
        )


def test_a_decided_one_is_not_decided_again(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    facts = {"replenishment_id": found.id, "actor": acting(session, "cfo")}

    with pytest.raises(IllegalReplenishmentState):
        replenishments.approve(session, **facts, now=session.info["now"])
    with pytest.raises(IllegalReplenishmentState):
        replenishments.reject(session, **facts, reason="x", now=session.info["now"])


def test_another_branchs_custodian_sees_nothing_of_it(session: Session, fund: Fund) -> None:
    found = low(session, fund)

    with pytest.raises(replenishments.ReplenishmentNotFound):
        replenishments.cancel(
            session,
            replenishment_id=found.id,
            actor=acting(session, "custodian_mombasa"),
            reason="x",
            now=session.info["now"],
        )


# Funding


def test_funding_moves_the_banks_money_into_transit(session: Session, fund: Fund) -> None:
    bank = books.account(session, AccountKind.BANK)
    before = books.balance(session, bank.id)[0]

    found = funded(session, fund)

    assert (found.status, found.bank_reference) == (S.FUNDED, "FT26325XYZ")
    assert found.funded_by == user_id(session, "treasury")
    transit = books.account(session, AccountKind.IN_TRANSIT, fund_id=fund.id)
    assert books.balance(session, transit.id)[0] == KES("12000.00")
    assert books.balance(session, bank.id)[0] == before - KES("12000.00")
    state = imprest.identity(session, fund.id)
    assert (state.in_transit, state.difference) == (KES("12000.00"), KES(0))
    assert state.requested == KES(0)
    assert consider(session, fund) is found


def test_no_funding_without_a_code(session: Session, fund: Fund) -> None:
    found = approved(session, fund)

    with pytest.raises(releases.CodeRequired):
        replenishments.fund(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            bank_reference="FT1",
            now=session.info["now"],
        )
    assert found.status is S.APPROVED


def test_anothers_code_funds_nothing(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found, "treasury")

    with pytest.raises(releases.NotTheExecutor):
        replenishments.fund(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury_2"),
            bank_reference="FT1",
            now=session.info["now"],
        )


def test_a_grant_that_is_too_old_funds_nothing(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)
    late = session.info["now"] + timedelta(seconds=settings.current().grant_lifetime_seconds)

    with pytest.raises(checking.GrantExpired):
        replenishments.fund(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            bank_reference="FT1",
            now=late,
        )


def test_a_wrong_code_is_a_counted_refusal(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    actor = acting(session, "treasury")
    now = session.info["now"]
    replenishments.request_code(session, replenishment_id=found.id, actor=actor, now=now)

    result = replenishments.check_code(
        session, replenishment_id=found.id, actor=actor, code="000000", now=now
    )

    assert result.grant is None
    assert result.refusal is not None
    assert result.refusal.code == "release.wrong_code"


@pytest.mark.parametrize("name", ["group_finance_manager", "custodian"])
def test_approver_and_receiver_do_not_release(session: Session, fund: Fund, name: str) -> None:
    found = approved(session, fund)
    also = acting(session, name, Role.TREASURY)

    with pytest.raises(releases.NotSeparate):
        replenishments.request_code(
            session, replenishment_id=found.id, actor=also, now=session.info["now"]
        )


def test_the_requester_does_not_release(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")
    found = by_hand(session, fund, name="treasury")
    replenishments.approve(
        session, replenishment_id=found.id, actor=acting(session, "cfo"), now=session.info["now"]
    )

    with pytest.raises(releases.NotSeparate):
        replenishments.request_code(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            now=session.info["now"],
        )


def test_the_cfo_releases_only_where_no_treasury_officer_can(session: Session, fund: Fund) -> None:
    found = approved(session, fund)

    with pytest.raises(releases.TreasuryFirst):
        replenishments.request_code(
            session,
            replenishment_id=found.id,
            actor=acting(session, "cfo"),
            now=session.info["now"],
        )


def test_what_is_not_approved_is_not_released(session: Session, fund: Fund) -> None:
    found = low(session, fund)

    with pytest.raises(IllegalReplenishmentState):
        replenishments.request_code(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            now=session.info["now"],
        )


def test_one_transfer_is_evidence_once(session: Session, fund: Fund) -> None:
    first = funded(session, fund)
    receive(session, first, "12000.00")
    again = approved(session, fund, "11000.00")
    verified(session, again, "treasury_2")

    with pytest.raises(replenishments.BankReferenceUsed):
        replenishments.fund(
            session,
            replenishment_id=again.id,
            actor=acting(session, "treasury_2"),
            bank_reference="FT26325XYZ",
            now=session.info["now"],
        )


def test_a_bank_account_has_to_be_one(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)

    with pytest.raises(replenishments.InvalidEvidence):
        replenishments.fund(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            bank_reference="FT1",
            bank_account_id=books.account(session, AccountKind.SUSPENSE).id,
            now=session.info["now"],
        )


def test_nothing_is_funded_while_paused(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)
    pauses.pause(
        session,
        scope=PauseScope.STORE,
        object_id=found.store_id,
        reason="Audit",
        actor=acting(session, "operator"),
    )

    with pytest.raises(pauses.Paused):
        replenishments.fund(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            bank_reference="FT1",
            now=session.info["now"],
        )


def test_cancelling_voids_the_code(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)
    replenishments.cancel(
        session,
        replenishment_id=found.id,
        actor=acting(session, "cfo"),
        reason="Wrong",
        now=session.info["now"],
    )

    with pytest.raises(IllegalReplenishmentState):
        replenishments.fund(
            session,
            replenishment_id=found.id,
            actor=acting(session, "treasury"),
            bank_reference="FT1",
            now=session.info["now"],
        )


def test_what_is_funded_is_not_cancelled(session: Session, fund: Fund) -> None:
    found = funded(session, fund)

    with pytest.raises(IllegalReplenishmentState):
        replenishments.cancel(
            session,
            replenishment_id=found.id,
            actor=acting(session, "cfo"),
            reason="x",
            now=session.info["now"],
        )


@pytest.mark.parametrize(
    "change",
    [
        "funded_by = approved_by",
        "requested_by = approved_by, auto_triggered = false",
        "received_by = funded_by",
        "status = 'pending'",
        "status = 'cancelled'",
        "received_amount = approved_amount + 1",
    ],
)
def test_the_database_keeps_the_duties_apart(session: Session, fund: Fund, change: str) -> None:
    found = funded(session, fund)

    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(
            text(f"UPDATE replenishments SET {change} WHERE id = :id"), {"id": found.id}
        )


# Receiving


def case_of(session: Session, found: Replenishment) -> Case | None:
    return session.execute(
        select(Case)
        .where(Case.kind == CaseKind.SHORT_DELIVERY, Case.object_id == found.id)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


@pytest.mark.parametrize("name", ["custodian", "custodian_2"])
def test_the_keeper_receives_and_the_fund_is_full(session: Session, fund: Fund, name: str) -> None:
    found = funded(session, fund)

    receive(session, found, "12000.00", name)

    assert (found.status, found.received_amount) == (S.RECEIVED, KES("12000.00"))
    assert found.received_by == user_id(session, name)
    assert funds.available(session, fund.id) == fund.target_balance
    state = imprest.identity(session, fund.id)
    assert (state.in_transit, state.vouchers, state.difference) == (KES(0), KES(0), KES(0))
    assert case_of(session, found) is None


@pytest.mark.parametrize("name", ["custodian_mombasa", "treasury", "cfo"])
def test_nobody_else_receives(session: Session, fund: Fund, name: str) -> None:
    found = funded(session, fund)

    with pytest.raises((replenishments.NotTheKeeper, replenishments.ReplenishmentNotFound)):
        receive(session, found, "12000.00", name)
    assert found.status is S.FUNDED


def test_a_short_delivery_stays_in_transit_as_a_case(session: Session, fund: Fund) -> None:
    found = funded(session, fund)

    receive(session, found, "11000.00")

    assert (found.status, found.received_amount) == (S.RECEIVED, KES("11000.00"))
    transit = books.account(session, AccountKind.IN_TRANSIT, fund_id=fund.id)
    assert books.balance(session, transit.id)[0] == KES("1000.00")
    state = imprest.identity(session, fund.id)
    assert (state.in_transit, state.difference) == (KES("1000.00"), KES(0))
    case = case_of(session, found)
    assert case is not None
    assert case.evidence["missing"] == "1000.00"


def test_the_rest_may_come_later_and_ends_the_case(session: Session, fund: Fund) -> None:
    found = funded(session, fund)
    receive(session, found, "11000.00")

    receive(session, found, "1000.00")

    assert found.received_amount == KES("12000.00")
    assert imprest.identity(session, fund.id).in_transit == KES(0)
    case = case_of(session, found)
    assert case is not None
    assert case.status is CaseStatus.RESOLVED
    with pytest.raises(replenishments.NothingMissing):
        receive(session, found, "0.01")


def test_the_rest_may_be_given_up(session: Session, fund: Fund) -> None:
    found = funded(session, fund)
    receive(session, found, "11000.00")

    replenishments.write_off_rest(
        session, replenishment_id=found.id, actor=acting(session, "cfo"), now=session.info["now"]
    )

    state = imprest.identity(session, fund.id)
    assert (state.in_transit, state.vouchers, state.difference) == (KES(0), KES("1000.00"), KES(0))
    assert state.requested == KES("1000.00")
    pending = books.account(session, AccountKind.DIFFERENCES_PENDING)
    assert books.balance(session, pending.id)[0] == KES("1000.00")
    with pytest.raises(replenishments.NothingMissing):
        receive(session, found, "1.00")


def test_more_than_was_funded_is_refused(session: Session, fund: Fund) -> None:
    found = funded(session, fund)

    with pytest.raises(replenishments.MoreThanFunded):
        receive(session, found, "12000.01")
    receive(session, found, "11000.00")
    with pytest.raises(replenishments.MoreThanFunded):
        receive(session, found, "1000.01")


def test_what_is_not_funded_is_not_received(session: Session, fund: Fund) -> None:
    found = approved(session, fund)

    with pytest.raises(IllegalReplenishmentState):
        receive(session, found, "12000.00")


def test_a_store_below_its_floor_has_a_case_until_it_is_filled(
    session: Session, fund: Fund
) -> None:
    books.pay(session, "42000.00")
    store = books.store(session)
    found = consider(session, fund)
    assert found is not None
    query = select(Case).where(Case.kind == CaseKind.BELOW_FLOOR, Case.object_id == store.id)
    assert session.execute(query).scalar_one().status is CaseStatus.OPEN

    replenishments.approve(
        session,
        replenishment_id=found.id,
        actor=acting(session, "group_finance_manager"),
        now=session.info["now"],
    )
    verified(session, found)
    replenishments.fund(
        session,
        replenishment_id=found.id,
        actor=acting(session, "treasury"),
        bank_reference="FT9",
        now=session.info["now"],
    )
    receive(session, found, "42000.00")

    case = session.execute(query.execution_options(populate_existing=True)).scalar_one()
    assert case.status is CaseStatus.RESOLVED


# Races


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
            ledger.hold(
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
            ledger.hold(
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
                    session,
                    fund_id=fund.id,
                    actor=actors[number],
                    now=session.info["now"],
                    reason="x",
                )
                and None
            )
        )

    results = together([partial(ask, 0), partial(ask, 1)])

    assert {type(each) for each in results} == {type(None), replenishments.AlreadyOpen}


def test_twenty_receipts_at_once_credit_the_store_once(demo: UUID) -> None:
    with db.transaction() as session:
        found = funded(session, books.fund(session))
        keeper = acting(session, "custodian")
        before = books.balance(session, books.store(session).account_id)[0]

    def take() -> None:
        db.in_transaction(
            lambda session: (
                replenishments.receive(
                    session,
                    replenishment_id=found.id,
                    actor=keeper,
                    amount=KES("12000.00"),
                    now=session.info["now"],
                )
                and None
            )
        )

    results = together([take] * 20)

    assert results.count(None) == 1
    assert {type(each) for each in results} == {type(None), replenishments.NothingMissing}
    with db.transaction() as session:
        after = books.balance(session, books.store(session).account_id)[0]
        assert after - before == KES("12000.00")
