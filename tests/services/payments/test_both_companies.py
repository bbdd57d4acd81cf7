"""The whole story of an expense, in each demo company, with nobody in two duties of it."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from pettycash.models.imprest import ReplenishmentStatus
from pettycash.models.payments import PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation import duties
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from pettycash.services.payments import treasury_validation
from pettycash.services.payments.case_resolutions import Ending
from pettycash.services.reconciliation import invariants
from tests import books
from tests.factories import judging, rails
from tests.factories import payments as making
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import approve, digest, submitted, waiting_for
from tests.replenishing import verified
from tests.servers import Database


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who does what."""

    company: str
    fund: str
    requester: str
    maker: str
    releaser: str
    judges: tuple[str, str]
    refill_approver: str
    funder: str
    keeper: str


CASTS = (
    Cast(
        company="DEMO",
        fund="WESTLANDS",
        requester="staff",
        maker="treasury",
        releaser="treasury_2",
        judges=("treasury_3", "group_finance_manager"),
        refill_approver="cfo",
        funder="treasury",
        keeper="custodian",
    ),
    Cast(
        company="OTHER",
        fund="KISUMU",
        requester="other_staff",
        maker="other_treasury",
        releaser="other_treasury_2",
        judges=("other_treasury_3", "other_company"),
        refill_approver="other_escalation",
        funder="other_treasury",
        keeper="other_custodian",
    ),
)


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.company)
def test_raised_approved_released_in_doubt_judged_refilled_received(
    live: Database, cast: Cast
) -> None:
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id(cast.company), source="test"), db.transaction() as session:
        now = session.info["now"]
        asked = submitted(session, "9000.00", by=cast.requester)
        approver = waiting_for(session, asked)
        approve(session, asked, approver)
        _, (payment,) = treasury_validation.validate(
            Uow(session, acting(session, cast.maker), now),
            requisition_id=asked.id,
            digest=digest(session, asked.id),
        )
        making.released(session, payment, by=cast.releaser)
        making.answered(session, payment, rails.LOST)
        payments.next_question(
            session,
            attempt_id=making.attempt_of(session, payment).id,
            now=now + timedelta(hours=1),
        )
        assert payment.status is PaymentStatus.IN_DOUBT
        case = making.the_case(session, payment)
        first, second = cast.judges
        shown = judging.evidence(session, case.id, by=first)
        judging.propose(session, case, Ending.PAID, by=first, evidence_id=shown)
        making.confirmed(session, case, by=second)
        assert payment.status is PaymentStatus.SUCCESS
        assert session.get_one(Requisition, asked.id).status is RequisitionStatus.PAID

        refill = replenishments.raise_by_hand(
            Uow(session, acting(session, cast.keeper), now),
            fund_id=books.fund(session, cast.fund).id,
            reason="Spent.",
        )
        replenishments.approve(
            Uow(session, acting(session, cast.refill_approver), now), replenishment_id=refill.id
        )
        verified(session, refill, cast.funder)
        replenishments.fund(
            Uow(session, acting(session, cast.funder), now),
            replenishment_id=refill.id,
            bank_reference="FT1",
        )
        replenishments.receive(
            Uow(session, acting(session, cast.keeper), now),
            replenishment_id=refill.id,
            amount=Decimal(9000),
        )
        assert refill.status is ReplenishmentStatus.RECEIVED

        found = duties.holders(session, requisition_id=asked.id)
        assert found == {duty: frozenset() for duty in Duty} | {
            duty: frozenset(user_id(session, name) for name in names)
            for duty, names in (
                (Duty.REQUESTER, [cast.requester]),
                (Duty.APPROVER, [approver]),
                (Duty.MAKER, [cast.maker]),
                (Duty.RELEASER, [cast.releaser]),
                (Duty.JUDGE, cast.judges),
                (Duty.RECORDER, cast.judges[:1]),
            )
        }
        session.flush()
        assert invariants.check_books(session) == []
