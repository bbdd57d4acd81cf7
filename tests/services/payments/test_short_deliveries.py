"""A short delivery ends when the rest is received, or when two people give it up."""

from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.base import new_id
from pettycash.models.imprest import Replenishment, ReplenishmentStatus
from pettycash.models.ledger import AccountKind
from pettycash.models.operations import Case, CaseKind, CaseStatus
from pettycash.services import releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, replenishments
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from tests import books
from tests.factories.people import acting, user_id

KES = Decimal


@pytest.fixture
def case(session: Session) -> Case:
    """Of 12,000 that treasury sent, 11,000 arrived."""
    now = session.info["now"]
    books.pay(session, "12000.00")
    store = books.store(session)
    sent = Replenishment(
        id=new_id(),
        company_id=store.company_id,
        number="REP-T-1",
        fund_id=store.fund_id,
        store_id=store.id,
        currency="KES",
        status=ReplenishmentStatus.FUNDED,
        auto_triggered=True,
        current_balance=KES("38000.00"),
        available=KES("38000.00"),
        requested_amount=KES("12000.00"),
        approved_amount=KES("12000.00"),
        decided_by=user_id(session, "group_finance_manager"),
        funded_by=user_id(session, "treasury"),
        identity={},
        lost_amount=KES(0),
        version=1,
    )
    session.add(sent)
    session.flush()
    entry = posting_rules.top_up_sent(
        session,
        replenishment=sent,
        bank_account_id=None,
        amount=KES("12000.00"),
        occurred_at=now,
        by=user_id(session, "treasury"),
    )
    posting.post(session, [entry])
    replenishments.receive(
        Uow(session, acting(session, "custodian"), now),
        replenishment_id=sent.id,
        amount=KES("11000.00"),
    )
    return session.execute(select(Case).where(Case.kind == CaseKind.SHORT_DELIVERY)).scalar_one()


def propose(
    session: Session, case: Case, *, name: str = "treasury_2", ending: Ending = Ending.LOST
) -> Case:
    return case_resolutions.propose(
        Uow.of(session, acting(session, name, Role.TREASURY)),
        case_id=case.id,
        proposal=CaseProposal(ending=ending, note="Police report 17"),
    )


def confirm(session: Session, case: Case, name: str = "cfo") -> Case:
    return case_resolutions.confirm(
        Uow.of(session, acting(session, name, Role.TREASURY)), case_id=case.id, version=case.version
    )


def test_two_people_give_the_rest_up(session: Session, case: Case) -> None:
    propose(session, case)
    pending = books.account(session, AccountKind.DIFFERENCES_PENDING)
    assert books.balance(session, pending.id)[0] == 0

    confirm(session, case)

    assert case.status is CaseStatus.RESOLVED
    assert books.balance(session, pending.id)[0] == KES("1000.00")
    state = float_identity.identity(session, books.fund(session).id)
    assert (state.in_transit, state.difference) == (KES(0), KES(0))


@pytest.mark.parametrize("ending", [Ending.NOTED, Ending.PAID, Ending.NOT_PAID])
def test_money_in_transit_is_not_just_noted(session: Session, case: Case, ending: Ending) -> None:
    with pytest.raises(case_resolutions.EndingDoesNotFit):
        propose(session, case, ending=ending)


@pytest.mark.parametrize("name", ["treasury", "custodian", "custodian_2"])
def test_who_sent_or_received_it_or_keeps_the_fund_does_not_judge(
    session: Session, case: Case, name: str
) -> None:
    with pytest.raises(releases.NotSeparate):
        propose(session, case, name=name)
    propose(session, case)
    with pytest.raises(releases.NotSeparate):
        confirm(session, case, name)


def test_what_arrives_after_all_ends_the_proposal(session: Session, case: Case) -> None:
    propose(session, case)
    replenishments.receive(
        Uow.of(session, acting(session, "custodian")),
        replenishment_id=case.object_id,
        amount=KES("1000.00"),
    )
    session.expire_all()

    assert case.status is CaseStatus.RESOLVED
    assert float_identity.identity(session, books.fund(session).id).stores == KES("50000.00")


def test_only_a_short_delivery_is_lost(session: Session, case: Case) -> None:
    case.kind = CaseKind.MISMATCH
    session.flush()

    with pytest.raises(case_resolutions.EndingDoesNotFit):
        propose(session, case)
