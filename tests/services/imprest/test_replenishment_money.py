"""A replenishment's money: released with a code, received by the keeper, and every refusal."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import (
    Fund,
    IllegalReplenishmentState,
    Replenishment,
    ReplenishmentStatus,
)
from pettycash.models.ledger import AccountKind
from pettycash.models.operations import Case, CaseKind, CaseStatus, PauseScope
from pettycash.runtime import db, settings
from pettycash.services import releases
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, funds, replenishments
from pettycash.services.operations import pauses
from pettycash.services.releases import checking
from tests import books
from tests.factories.people import acting, company_id, user_id
from tests.races import together
from tests.replenishing import (
    approved,
    by_hand,
    consider,
    funded,
    low,
    receive,
    verified,
)
from tests.servers import Database

KES = Decimal
S = ReplenishmentStatus


@pytest.fixture
def fund(session: Session) -> Fund:
    """Westlands: float 50,000, reorder level 40,000."""
    return books.fund(session)


def test_funding_moves_the_banks_money_into_transit(session: Session, fund: Fund) -> None:
    bank = books.account(session, AccountKind.BANK)
    before = books.balance(session, bank.id)[0]

    found = funded(session, fund)

    assert (found.status, found.bank_reference) == (S.FUNDED, "FT26325XYZ")
    assert found.funded_by == user_id(session, "treasury")
    transit = books.account(session, AccountKind.IN_TRANSIT, fund_id=fund.id)
    assert books.balance(session, transit.id)[0] == KES("12000.00")
    assert books.balance(session, bank.id)[0] == before - KES("12000.00")
    state = float_identity.identity(session, fund.id)
    assert (state.in_transit, state.difference) == (KES("12000.00"), KES(0))
    assert state.requested == KES(0)
    assert consider(session, fund) is found


def test_no_funding_without_a_code(session: Session, fund: Fund) -> None:
    found = approved(session, fund)

    with pytest.raises(releases.CodeRequired):
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=found.id,
            bank_reference="FT1",
        )
    assert found.status is S.APPROVED


def test_anothers_code_funds_nothing(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found, "treasury")

    with pytest.raises(releases.NotTheExecutor):
        replenishments.fund(
            Uow.of(session, acting(session, "treasury_2")),
            replenishment_id=found.id,
            bank_reference="FT1",
        )


def test_a_grant_that_is_too_old_funds_nothing(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)
    late = session.info["now"] + timedelta(seconds=settings.current().grant_lifetime_seconds)

    with pytest.raises(checking.GrantExpired):
        replenishments.fund(
            Uow(session, acting(session, "treasury"), late),
            replenishment_id=found.id,
            bank_reference="FT1",
        )


def test_a_wrong_code_is_a_counted_refusal(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    actor = acting(session, "treasury")
    now = session.info["now"]
    uow = Uow(session, actor, now)
    replenishments.request_code(uow, replenishment_id=found.id)

    result = replenishments.check_code(uow, replenishment_id=found.id, code="000000")

    assert result.grant is None
    assert result.refusal is not None
    assert result.refusal.code == "release.wrong_code"


@pytest.mark.parametrize("name", ["group_finance_manager", "custodian"])
def test_approver_and_receiver_do_not_release(session: Session, fund: Fund, name: str) -> None:
    found = approved(session, fund)
    also = acting(session, name, Role.TREASURY)

    with pytest.raises(releases.NotSeparate):
        replenishments.request_code(Uow.of(session, also), replenishment_id=found.id)


def test_the_requester_does_not_release(session: Session, fund: Fund) -> None:
    books.pay(session, "100.00")
    found = by_hand(session, fund, name="treasury")
    replenishments.approve(Uow.of(session, acting(session, "cfo")), replenishment_id=found.id)

    with pytest.raises(releases.NotSeparate):
        replenishments.request_code(
            Uow.of(session, acting(session, "treasury")), replenishment_id=found.id
        )


def test_the_cfo_releases_only_where_no_treasury_officer_can(session: Session, fund: Fund) -> None:
    found = approved(session, fund)

    with pytest.raises(releases.TreasuryFirst):
        replenishments.request_code(
            Uow.of(session, acting(session, "cfo")), replenishment_id=found.id
        )


def test_what_is_not_approved_is_not_released(session: Session, fund: Fund) -> None:
    found = low(session, fund)

    with pytest.raises(IllegalReplenishmentState):
        replenishments.request_code(
            Uow.of(session, acting(session, "treasury")), replenishment_id=found.id
        )


@pytest.mark.parametrize("spelt", ["FT26325XYZ", "ft26325xyz", "FT 26325-XYZ"])
def test_one_transfer_is_evidence_once_however_it_is_spelt(
    session: Session, fund: Fund, spelt: str
) -> None:
    first = funded(session, fund)
    receive(session, first, "12000.00")
    again = approved(session, fund, "11000.00")
    verified(session, again, "treasury_2")

    with pytest.raises(replenishments.BankReferenceUsed):
        replenishments.fund(
            Uow.of(session, acting(session, "treasury_2")),
            replenishment_id=again.id,
            bank_reference=spelt,
        )


def test_a_bank_account_has_to_be_one(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)

    with pytest.raises(replenishments.InvalidEvidence):
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=found.id,
            bank_reference="FT1",
            bank_account_id=books.account(session, AccountKind.SUSPENSE).id,
        )


def test_nothing_is_funded_while_paused(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)
    pauses.pause(
        Uow.of(session, acting(session, "operator")),
        scope=PauseScope.STORE,
        object_id=found.store_id,
        reason="Audit",
    )

    with pytest.raises(pauses.Paused):
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=found.id,
            bank_reference="FT1",
        )


def test_cancelling_voids_the_code(session: Session, fund: Fund) -> None:
    found = approved(session, fund)
    verified(session, found)
    replenishments.cancel(
        Uow.of(session, acting(session, "cfo")), replenishment_id=found.id, reason="Wrong"
    )

    with pytest.raises(IllegalReplenishmentState):
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=found.id,
            bank_reference="FT1",
        )


def test_what_is_funded_is_not_cancelled(session: Session, fund: Fund) -> None:
    found = funded(session, fund)

    with pytest.raises(IllegalReplenishmentState):
        replenishments.cancel(
            Uow.of(session, acting(session, "cfo")), replenishment_id=found.id, reason="x"
        )


@pytest.mark.parametrize(
    "change",
    [
        "funded_by = decided_by",
        "proposed_by = decided_by, auto_triggered = false",
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
    state = float_identity.identity(session, fund.id)
    assert (state.in_transit, state.vouchers, state.difference) == (KES(0), KES(0), KES(0))
    assert case_of(session, found) is None


@pytest.mark.parametrize("name", ["custodian_mombasa", "treasury", "cfo"])
def test_nobody_else_receives(session: Session, fund: Fund, name: str) -> None:
    found = funded(session, fund)

    with pytest.raises((replenishments.NotTheKeeper, replenishments.ReplenishmentNotFound)):
        receive(session, found, "12000.00", name)
    assert found.status is S.FUNDED


def test_who_keeps_the_fund_does_not_approve_it(session: Session, fund: Fund) -> None:
    found = low(session, fund)
    keeper = acting(session, "custodian_2", Role.GROUP_FINANCE_MANAGER)

    with pytest.raises(decisions.AboutYourself):
        replenishments.approve(Uow.of(session, keeper), replenishment_id=found.id)


def test_who_approved_it_does_not_receive_it_as_a_later_keeper(
    session: Session, fund: Fund
) -> None:
    found = funded(session, fund)
    fund.alternate_custodian_id = user_id(session, "group_finance_manager")

    with pytest.raises(replenishments.NotTheKeeper, match="the other keeper receives it"):
        receive(session, found, "12000.00", "group_finance_manager")


def test_a_short_delivery_stays_in_transit_as_a_case(session: Session, fund: Fund) -> None:
    found = funded(session, fund)

    receive(session, found, "11000.00")

    assert (found.status, found.received_amount) == (S.RECEIVED, KES("11000.00"))
    transit = books.account(session, AccountKind.IN_TRANSIT, fund_id=fund.id)
    assert books.balance(session, transit.id)[0] == KES("1000.00")
    state = float_identity.identity(session, fund.id)
    assert (state.in_transit, state.difference) == (KES("1000.00"), KES(0))
    case = case_of(session, found)
    assert case is not None
    assert case.evidence["missing"] == "1000.00"


def test_the_rest_may_come_later_and_ends_the_case(session: Session, fund: Fund) -> None:
    found = funded(session, fund)
    receive(session, found, "11000.00")

    receive(session, found, "1000.00")

    assert found.received_amount == KES("12000.00")
    assert float_identity.identity(session, fund.id).in_transit == KES(0)
    case = case_of(session, found)
    assert case is not None
    assert case.status is CaseStatus.RESOLVED
    with pytest.raises(replenishments.NothingMissing):
        receive(session, found, "0.01")


def test_the_rest_may_be_given_up(session: Session, fund: Fund) -> None:
    found = funded(session, fund)
    receive(session, found, "11000.00")

    replenishments.write_off_rest(
        Uow.of(session, acting(session, "cfo")), replenishment_id=found.id
    )

    state = float_identity.identity(session, fund.id)
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
        Uow.of(session, acting(session, "group_finance_manager")), replenishment_id=found.id
    )
    verified(session, found)
    replenishments.fund(
        Uow.of(session, acting(session, "treasury")),
        replenishment_id=found.id,
        bank_reference="FT9",
    )
    receive(session, found, "42000.00")

    case = session.execute(query.execution_options(populate_existing=True)).scalar_one()
    assert case.status is CaseStatus.RESOLVED


@pytest.fixture
def demo(live: Database) -> Iterator[UUID]:
    """The fund of Westlands on a database of its own."""
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        found = books.fund(session).id
    with db.scope(company_id=company_id("DEMO")):
        yield found


def test_twenty_receipts_at_once_credit_the_store_once(demo: UUID) -> None:
    with db.transaction() as session:
        found = funded(session, books.fund(session))
        keeper = acting(session, "custodian")
        before = books.balance(session, books.store(session).account_id)[0]

    def take() -> None:
        db.in_transaction(
            lambda session: (
                replenishments.receive(
                    Uow.of(session, keeper), replenishment_id=found.id, amount=KES("12000.00")
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
