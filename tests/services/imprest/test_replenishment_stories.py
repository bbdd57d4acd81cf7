"""The replenishment after something that is not ordinary: the cfo's, and never a judge's."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import Fund, Replenishment, ReplenishmentStatus, VarianceKind
from pettycash.models.payments import Payment
from pettycash.services import releases
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments, variances
from pettycash.services.payments.case_resolutions import Ending
from tests import books
from tests.factories import companies
from tests.factories import payments as making
from tests.factories.evidence import proven
from tests.factories.judging import confirm, propose
from tests.factories.people import acting, user_id
from tests.replenishing import approved, by_hand, consider, low, receive, verified
from tests.services.payments.test_case_resolutions import in_doubt

KES = Decimal

pytestmark = pytest.mark.usefixtures("rail")


@pytest.fixture
def fund(session: Session) -> Fund:
    """Westlands: float 50,000, reorder level 40,000."""
    return books.fund(session)


def judged(session: Session, *, by: str = "treasury_3", agrees: str = "cfo") -> Payment:
    """A payment out of the fund that two people called paid."""
    payment, case = in_doubt(session, "9000.00")
    propose(session, case, Ending.PAID, by=by)
    confirm(session, case, by=agrees)
    return payment


def raised(session: Session, fund: Fund) -> Replenishment:
    """The one that follows, of a fund that has spent enough."""
    books.pay(session, "3000.00")
    found = consider(session, fund)
    assert found is not None
    return found


def approve(session: Session, found: Replenishment, by: str) -> Replenishment:
    return replenishments.approve(Uow.of(session, acting(session, by)), replenishment_id=found.id)


class TestWhatPeopleJudged:
    def test_no_judge_of_it_approves_funds_or_receives_what_refills_it(
        self, session: Session, fund: Fund
    ) -> None:
        """The attack: the two who paid by word had it refilled as ordinary, by themselves."""
        judged(session, by="treasury_3", agrees="group_finance_manager")
        found = raised(session, fund)

        with pytest.raises(replenishments.JudgedIt):
            approve(session, found, "group_finance_manager")
        approve(session, found, "cfo")
        with pytest.raises(releases.NotSeparate):
            verified(session, found, "treasury_3")
        verified(session, found, "treasury")
        session.execute(
            update(Fund)
            .where(Fund.id == fund.id)
            .values(custodian_id=user_id(session, "treasury_3"))
        )
        session.refresh(fund)
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=found.id,
            bank_reference="FT1",
        )
        with pytest.raises(replenishments.NotTheKeeper):
            receive(session, found, "12000.00", name="treasury_3")

    def test_it_is_not_ordinary(self, session: Session, fund: Fund) -> None:
        judged(session, by="treasury_3", agrees="group_finance_manager_2")
        found = raised(session, fund)

        with pytest.raises(
            replenishments.ReplenishmentNeedsCfo, match="the cfo: two people judged"
        ):
            approve(session, found, "group_finance_manager")
        with pytest.raises(replenishments.ReplenishmentNeedsCfo):
            approve(session, found, "ceo")
        assert approve(session, found, "cfo").status is ReplenishmentStatus.APPROVED

    def test_the_ceo_approves_where_the_cfo_judged(self, session: Session, fund: Fund) -> None:
        judged(session)
        found = raised(session, fund)

        with pytest.raises(replenishments.JudgedIt):
            approve(session, found, "cfo")
        with pytest.raises(replenishments.ReplenishmentNeedsCfo, match="the ceo"):
            approve(session, found, "group_finance_manager")
        assert approve(session, found, "ceo").status is ReplenishmentStatus.APPROVED

    def test_the_escalation_approver_does_where_both_did(
        self, session: Session, fund: Fund
    ) -> None:
        company_settings.set_escalation_approver(
            session, user_id=user_id(session, "staff_2"), changed_by=None
        )
        judged(session, by="ceo")
        found = raised(session, fund)
        stand_in = acting(session, "staff_2", Role.AUDITOR)  # who sees the fund

        for name in ("cfo", "ceo"):
            with pytest.raises(replenishments.JudgedIt):
                approve(session, found, name)
        with pytest.raises(replenishments.ReplenishmentNeedsCfo, match="escalation approver"):
            approve(session, found, "group_finance_manager")
        replenishments.approve(Uow.of(session, stand_in), replenishment_id=found.id)
        assert found.approved_by == stand_in.user_id

    def test_a_small_one_in_between_does_not_end_the_story(
        self, session: Session, fund: Fund
    ) -> None:
        """The cfo is shown a shilling to refill; what was judged would be ordinary afterwards."""
        judged(session, by="treasury_3", agrees="group_finance_manager")
        small = by_hand(session, fund, amount="1.00")
        approve(session, small, "cfo")
        verified(session, small)
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=small.id,
            bank_reference="FT1",
        )
        session.info["now"] += timedelta(minutes=1)
        receive(session, small, "1.00")
        found = raised(session, fund)

        with pytest.raises(replenishments.JudgedIt):
            approve(session, found, "group_finance_manager")
        with pytest.raises(replenishments.ReplenishmentNeedsCfo):
            approve(session, found, "group_finance_manager_2")

    def test_the_one_after_that_is_ordinary_again(self, session: Session, fund: Fund) -> None:
        judged(session, by="treasury_3", agrees="group_finance_manager")
        found = raised(session, fund)
        approve(session, found, "cfo")
        verified(session, found)
        replenishments.fund(
            Uow.of(session, acting(session, "treasury")),
            replenishment_id=found.id,
            bank_reference="FT2",
        )
        receive(session, found, "12000.00")
        session.info["now"] += timedelta(minutes=1)

        following = low(session, fund)

        assert approve(session, following, "group_finance_manager").approved_by is not None

    def test_what_happened_in_another_fund_is_nothing_to_this_one(
        self, session: Session, fund: Fund
    ) -> None:
        payment, case = in_doubt(session, "9000.00", by="staff_hq")
        propose(session, case, Ending.PAID, by="treasury_3")
        confirm(session, case, by="cfo")
        assert payment.store_id != books.store(session).id

        assert approved(session, fund).approved_by == user_id(session, "group_finance_manager")


def test_an_expense_above_its_approval_is_not_ordinary(session: Session, fund: Fund) -> None:
    payment = making.executing(session, "9000.00")
    more = proven(session, payment, amount=KES("9500.00"))
    making.answered(session, payment, more)
    found = raised(session, fund)

    with pytest.raises(
        replenishments.ReplenishmentNeedsCfo, match="more was paid than was approved"
    ):
        approve(session, found, "group_finance_manager")
    approve(session, found, "cfo")


class TestVariances:
    def vary(self, session: Session, by: str, more: str = "50.00") -> None:
        payment = books.pay(session, "5000.00")
        found = variances.record(
            Uow.of(session, acting(session, "treasury")),
            payment_id=payment.id,
            kind=VarianceKind.OVERPAID,
            adjusted_amount=KES("5000.00") + KES(more),
            reason="The statement says so",
        )
        variances.approve(Uow.of(session, acting(session, by)), variance_id=found.id)

    def allow(self, session: Session, amount: str) -> None:
        companies.agree(session, materiality={"KES": amount})

    def test_above_materiality_the_refill_is_not_ordinary(
        self, session: Session, fund: Fund
    ) -> None:
        self.allow(session, "99.99")
        self.vary(session, "cfo")
        self.vary(session, "cfo")
        found = raised(session, fund)

        with pytest.raises(replenishments.ReplenishmentNeedsCfo, match="variances of a month"):
            approve(session, found, "group_finance_manager")
        approve(session, found, "cfo")

    def test_within_materiality_it_is(self, session: Session, fund: Fund) -> None:
        self.allow(session, "100.00")
        self.vary(session, "cfo")
        self.vary(session, "cfo")
        found = raised(session, fund)

        approve(session, found, "group_finance_manager")

    def test_group_finance_decides_while_a_month_stays_within_it(self, session: Session) -> None:
        self.allow(session, "100.00")
        self.vary(session, "group_finance_manager")
        self.vary(session, "group_finance_manager_2")

        with pytest.raises(variances.VarianceNeedsCfo, match=r"KES 100\.00 a month"):
            self.vary(session, "group_finance_manager", "0.01")
        self.vary(session, "cfo", "0.01")

    def test_without_a_setting_only_the_cfo_decides(self, session: Session) -> None:
        with pytest.raises(variances.VarianceNeedsCfo):
            self.vary(session, "group_finance_manager", "1.00")

    def test_each_month_counts_for_itself(self, session: Session) -> None:
        self.allow(session, "100.00")
        self.vary(session, "group_finance_manager", "100.00")
        session.info["now"] += timedelta(days=32)

        self.vary(session, "group_finance_manager", "100.00")
