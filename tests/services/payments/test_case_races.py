"""Two people end a case while somebody else does something about it."""

import pytest
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseStatus
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.runtime import db
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import case_resolutions, facts
from pettycash.services.payments.case_resolutions import Ending
from tests.factories import rails
from tests.factories.judging import propose
from tests.factories.people import acting, company_id
from tests.races import held
from tests.services.payments.test_case_resolutions import in_doubt


@pytest.mark.usefixtures("live")
def test_who_confirms_while_another_end_is_proposed_carries_nothing_out() -> None:
    """The first one has read the proposal and waits for the payment when the second replaces it."""
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            payment, case = in_doubt(session)
            propose(session, case, Ending.PAID, by="cfo")
        seen = case.version

        def replace(other: Session) -> None:
            found = other.get_one(Case, case.id)
            case_resolutions.decline(
                Uow.of(other, acting(other, "treasury_3")),
                case_id=case.id,
                version=found.version,
                reason="the statement says otherwise",
            )
            propose(other, found, Ending.PAID, by="cfo", provider_reference="RKT8888888")

        with (
            held(lambda other: facts.locked(other, payment_id=payment.id), then=replace),
            pytest.raises(decisions.StaleDecision),
            db.transaction() as session,
        ):
            case_resolutions.confirm(
                Uow.of(session, acting(session, "group_finance_manager")),
                case_id=case.id,
                version=seen,
            )

        with db.transaction() as session:
            assert session.get_one(Payment, payment.id).status is PaymentStatus.IN_DOUBT
            assert session.get_one(Case, case.id).status is CaseStatus.PROPOSED
