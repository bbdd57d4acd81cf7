"""Two people who fit, of treasury and finance, judge what became of a payment."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pettycash.gateways.base import RequestType
from pettycash.models.access import RoleAssignment
from pettycash.models.operations import Case
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.services import releases
from pettycash.services.foundation import company_settings
from pettycash.services.operations import cases
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import Ending
from pettycash.services.payments.results import Source
from tests.factories import companies, rails
from tests.factories import payments as making
from tests.factories.evidence import proven
from tests.factories.judging import confirm, evidence, propose, tried_for_a_day
from tests.factories.people import user_id
from tests.services.payments.test_case_resolutions import contradicted, in_doubt

S = PaymentStatus
LARGE = "21000.00"

pytestmark = pytest.mark.usefixtures("rail")


def alone(session: Session, *names: str) -> None:
    """Let nobody hold a role any more that judges, but for these."""
    kept = [user_id(session, name) for name in names]
    session.execute(
        update(RoleAssignment)
        .where(RoleAssignment.role.in_(cases.RESOLVERS), RoleAssignment.user_id.not_in(kept))
        .values(valid_until=session.info["now"])
    )


@pytest.mark.parametrize(
    ("by", "agrees"),
    [("treasury_3", "fpa"), ("ceo", "treasury_3"), ("fpa", "group_finance_manager_2")],
)
def test_any_two_of_treasury_and_finance_judge_what_is_small(
    session: Session, by: str, agrees: str
) -> None:
    payment, case = in_doubt(session)

    propose(session, case, Ending.PAID, by=by, evidence_id=evidence(session, case.id, by="cfo"))
    confirm(session, case, by=agrees)

    assert payment.status is S.SUCCESS


def test_above_the_limit_one_is_the_cfo_or_the_ceo(session: Session) -> None:
    payment, case = in_doubt(session, LARGE)

    propose(session, case, Ending.PAID, by="treasury_3")
    with pytest.raises(case_resolutions.HeadRequired), session.begin_nested():
        confirm(session, case, by="group_finance_manager_2")
    confirm(session, case, by="ceo")

    assert payment.status is S.SUCCESS


@pytest.mark.parametrize(
    ("limits", "is_above"),
    [({"KES": "1000.00"}, True), ({"KES": "1500.00"}, False), ({"UGX": "1"}, False)],
)
def test_the_limit_is_the_companys_and_else_the_lowest_tiers_end(
    session: Session, limits: dict[str, str], is_above: bool
) -> None:
    companies.agree(session, cfo_limit=limits)
    _, case = in_doubt(session)
    propose(session, case, Ending.PAID, by="treasury_3")

    if is_above:
        with pytest.raises(case_resolutions.HeadRequired):
            confirm(session, case, by="group_finance_manager")
    else:
        confirm(session, case, by="group_finance_manager")


def test_the_limit_of_a_currency_without_one_and_without_tiers_is_nought(session: Session) -> None:
    now = session.info["now"]

    assert company_settings.cfo_limit(session, currency="KES", now=now) == Decimal(10_000)
    assert company_settings.cfo_limit(session, currency="UGX", now=now) == Decimal(300_000)
    assert company_settings.cfo_limit(session, currency="RWF", now=now) == 0


def test_what_the_rail_has_not_denied_takes_the_cfo_or_the_ceo(session: Session) -> None:
    payment, case = in_doubt(session)
    tried_for_a_day(session, payment)

    propose(session, case, Ending.NOT_PAID, by="treasury_3")
    with pytest.raises(case_resolutions.HeadRequired), session.begin_nested():
        confirm(session, case, by="group_finance_manager")
    confirm(session, case, by="ceo")

    assert payment.status is S.FAILED


def test_of_the_two_at_most_one_approved_it(session: Session) -> None:
    """260,000 are approved by the group finance manager, the cfo and the ceo."""
    payment, case = in_doubt(session, "260000.00", by="staff_hq")

    propose(session, case, Ending.PAID, by="cfo")
    for name in ("group_finance_manager", "ceo"):
        with pytest.raises(releases.NotSeparate, match="At most one"), session.begin_nested():
            confirm(session, case, by=name)
    confirm(session, case, by="treasury_3")

    assert payment.status is S.SUCCESS


def test_who_made_it_or_asked_for_its_code_judges_nothing(session: Session) -> None:
    payment, case = in_doubt(session)

    for name in (making.MAKER, making.EXECUTOR):
        with pytest.raises(releases.NotSeparate):
            propose(session, case, Ending.PAID, by=name)
    propose(session, case, Ending.PAID, by="cfo")
    for name in (making.MAKER, making.EXECUTOR):
        with pytest.raises(releases.NotSeparate), session.begin_nested():
            confirm(session, case, by=name)
    assert payment.status is S.IN_DOUBT


class TestNobodyIsLeft:
    def test_the_escalation_approver_is_the_second(self, session: Session) -> None:
        payment, case = in_doubt(session)
        company_settings.set_escalation_approver(
            session, user_id=user_id(session, "staff_2"), changed_by=None
        )
        evidence_id = evidence(session, case.id)
        alone(session, "cfo", making.MAKER)

        propose(session, case, Ending.PAID, by="cfo", evidence_id=evidence_id)
        assert case.owner_id == user_id(session, "staff_2"), "so that they see it"
        confirm(session, case, by="staff_2")

        assert payment.status is S.SUCCESS

    def test_they_are_not_while_two_others_are(self, session: Session) -> None:
        _, case = in_doubt(session)
        company_settings.set_escalation_approver(
            session, user_id=user_id(session, "staff_2"), changed_by=None
        )

        propose(session, case, Ending.PAID, by="cfo")
        with pytest.raises(cases.CaseNotFound):  # it was not escalated to them
            confirm(session, case, by="staff_2")

    def test_nor_where_they_have_a_part_in_it(self, session: Session) -> None:
        _, case = in_doubt(session, by="staff_2")
        company_settings.set_escalation_approver(
            session, user_id=user_id(session, "staff_2"), changed_by=None
        )
        evidence_id = evidence(session, case.id)
        alone(session, "cfo", making.MAKER)

        with pytest.raises(case_resolutions.JudgeMissing, match="second person"):
            propose(session, case, Ending.PAID, by="cfo", evidence_id=evidence_id)

    def test_it_says_that_the_cfo_is_missing(self, session: Session) -> None:
        _, case = in_doubt(session, LARGE)
        company_settings.set_escalation_approver(session, user_id=None, changed_by=None)
        evidence_id = evidence(session, case.id)
        alone(session, "treasury_3", "fpa")

        with pytest.raises(case_resolutions.JudgeMissing, match="ceo or cfo"):
            propose(session, case, Ending.PAID, by="treasury_3", evidence_id=evidence_id)


def paid_and_denied(session: Session) -> tuple[Payment, Case]:
    """A forged callback said that it was paid; asked, the rail says that it failed."""
    payment = making.executing(session)
    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    no = rails.outcome(rails.K.REJECTED, originator_reference=payment.originator_reference)
    asked = rails.exchange(RequestType.QUERY)
    making.said(session, payment, replace(no, exchange=asked), Source.QUERY)
    return payment, making.the_case(session, payment)


class TestReturned:
    def test_the_cfo_is_one_until_something_else_can_tell(self, session: Session) -> None:
        payment = making.executing(session)
        making.answered(session, payment, proven(session, payment))
        other = proven(session, payment, receipt="RKT9999999")
        making.said(session, payment, other, Source.QUERY)
        case = making.the_case(session, payment)

        propose(session, case, Ending.RETURNED, by="ceo")
        with (
            pytest.raises(case_resolutions.HeadRequired, match="must be the cfo"),
            session.begin_nested(),
        ):
            confirm(session, case, by="group_finance_manager")
        confirm(session, case, by="cfo")

        assert payment.status is S.REVERSED

    def test_the_rails_own_denial_can_tell(self, session: Session) -> None:
        payment, case = paid_and_denied(session)

        propose(session, case, Ending.RETURNED, by="treasury_3")
        confirm(session, case, by="group_finance_manager")

        assert payment.status is S.REVERSED


def test_noting_what_the_rail_told_differently_takes_one_of_them_too(session: Session) -> None:
    payment, case = contradicted(session)
    no = rails.outcome(rails.K.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, no, Source.QUERY)

    propose(session, case, Ending.NOTED, by="treasury_3")
    with pytest.raises(case_resolutions.HeadRequired):
        confirm(session, case, by="group_finance_manager")
