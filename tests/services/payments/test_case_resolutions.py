"""Two people end a case about money, neither of whom released it; the books follow."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import OutcomeKind
from pettycash.models.access import Membership
from pettycash.models.operations import Case, CaseKind, CaseStatus, Severity
from pettycash.models.payments import AttemptState, Payment, PaymentStatus, PaymentTransaction
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import errors
from pettycash.services import payments, releases
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import Ending
from pettycash.services.payments.results import Source
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.judging import confirm, propose, settled, tried_for_a_day
from tests.factories.people import acting, user_id

S = PaymentStatus


pytestmark = pytest.mark.usefixtures("rail")


def in_doubt(session: Session, amount: str = "1500.00", **more: Any) -> tuple[Payment, Case]:
    """Silence for an hour."""
    payment = making.executing(session, amount, **more)
    making.answered(session, payment, rails.LOST)
    attempt = making.attempt_of(session, payment)
    later = session.info["now"] + timedelta(hours=1)
    payments.next_question(session, attempt_id=attempt.id, now=later)
    return payment, making.the_case(session, payment)


def contradicted(session: Session) -> tuple[Payment, Case]:
    """A callback named another amount."""
    payment = making.executing(session)
    making.answered(session, payment, rails.ACCEPTED)
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    making.said(session, payment, rails.proof(instruction, amount=Decimal(15000)), Source.CALLBACK)
    return payment, making.the_case(session, payment)


def test_two_people_say_that_it_was_paid(session: Session) -> None:
    payment, case = in_doubt(session)

    propose(session, case, Ending.PAID)
    assert payment.status is S.IN_DOUBT, "one person moves nothing"
    confirm(session, case)

    assert (payment.status, payment.provider_reference) == (S.SUCCESS, "RKT7654321")
    assert making.entries(session, payment) == ["expense"]
    assert making.open_holds(session, payment) == 0
    assert making.open_cases(session, payment.id) == []
    last = session.execute(
        select(PaymentTransaction).order_by(PaymentTransaction.id.desc()).limit(1)
    ).scalar_one()
    assert (last.gateway, last.code, last.success) == ("evidence", "people.paid", True)


def test_two_people_say_that_it_was_not_paid(session: Session) -> None:
    payment, case = in_doubt(session)
    tried_for_a_day(session, payment)

    settled(session, case, Ending.NOT_PAID)

    assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
    assert making.entries(session, payment) == []
    assert making.open_holds(session, payment) == 0
    assert making.open_cases(session, payment.id) == []


def test_what_people_said_is_no_match_for_a_later_proof(session: Session) -> None:
    payment, case = in_doubt(session)
    tried_for_a_day(session, payment)
    settled(session, case, Ending.NOT_PAID)
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))

    making.said(session, payment, rails.proof(instruction), Source.QUERY)

    assert payment.status is S.SUCCESS
    assert making.open_cases(session, payment.id) == ["contradiction"]
    assert making.case_about(session, payment.id).severity is Severity.SEVERE


@pytest.mark.parametrize("step", ["propose", "confirm"])
def test_who_released_it_has_no_word(session: Session, step: str) -> None:
    _, case = in_doubt(session)

    if step == "confirm":
        propose(session, case, Ending.PAID)
    attempt: Callable[[], Case] = {
        "propose": lambda: propose(session, case, Ending.PAID, by=making.EXECUTOR),
        "confirm": lambda: confirm(session, case, by=making.EXECUTOR),
    }[step]

    with pytest.raises(errors.NotAllowed) as refusal:
        attempt()
    assert refusal.value.code == "release.not_separate"


@pytest.mark.parametrize("who", ["requester", "named as payee", "reached at the destination"])
@pytest.mark.parametrize("step", ["propose", "confirm"])
def test_who_asked_for_it_or_gets_it_has_no_word(session: Session, step: str, who: str) -> None:
    phone = session.execute(
        select(Membership.phone).where(Membership.user_id == user_id(session, "treasury_3"))
    ).scalar_one()
    facts: dict[str, Any] = {
        "requester": {"by": "treasury_3"},
        "named as payee": {"payee_user_id": user_id(session, "treasury_3")},
        "reached at the destination": {"destination": phone},
    }[who]
    _, case = in_doubt(session, **facts)
    if step == "confirm":
        propose(session, case, Ending.PAID)

    attempt: Callable[[], Case] = {
        "propose": lambda: propose(session, case, Ending.PAID, by="treasury_3"),
        "confirm": lambda: confirm(session, case, by="treasury_3"),
    }[step]

    with pytest.raises(releases.NotSeparate):
        attempt()


def test_one_person_is_not_two(session: Session) -> None:
    _, case = in_doubt(session)
    propose(session, case, Ending.PAID)

    with pytest.raises(decisions.OwnProposal):
        confirm(session, case, by="cfo")


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("operator", decisions.NotAProposer),
        ("auditor", decisions.NotAProposer),
        ("regional_manager", cases.CaseNotFound),
        ("custodian_mombasa", cases.CaseNotFound),
    ],
)
def test_others_do_not_resolve(
    session: Session, who: str, refusal: type[errors.PettycashError]
) -> None:
    _, case = in_doubt(session)

    with pytest.raises(refusal):
        propose(session, case, Ending.PAID, by=who)


def test_paid_needs_the_rails_reference(session: Session) -> None:
    _, case = in_doubt(session)

    with pytest.raises(case_resolutions.EvidenceMissing):
        propose(session, case, Ending.PAID, provider_reference=None)
    with pytest.raises(case_resolutions.EvidenceMissing):
        propose(session, case, Ending.PAID, note="  ")


def test_a_reference_that_proves_another_payment_proves_nothing(session: Session) -> None:
    first, case = in_doubt(session)
    settled(session, case, Ending.PAID)
    assert first.provider_reference == "RKT7654321"
    _, second = in_doubt(session)

    with pytest.raises(case_resolutions.ReferenceTaken):
        propose(session, second, Ending.PAID)


def test_what_never_left_does_not_keep_a_case_open(session: Session) -> None:
    payment = making.executing(session)
    making.answered(session, payment, rails.REJECTED)
    first = making.attempt_of(session, payment)
    making.released(session, payment)
    other_payee = rails.proof(payments.instruction_of(session, first), destination="254799999999")
    making.said(session, payment, other_payee, Source.CALLBACK, attempt=first)
    waiting = making.attempt_of(session, payment)
    assert payments.claim(session, attempt_id=waiting.id, now=session.info["now"]) is None

    settled(session, making.the_case(session, payment), Ending.NOTED)

    assert payments.claim(session, attempt_id=waiting.id, now=session.info["now"]) is not None


def test_what_is_open_is_not_just_noted(session: Session) -> None:
    _, case = in_doubt(session)

    with pytest.raises(case_resolutions.EndingDoesNotFit):
        propose(session, case, Ending.NOTED)


def test_what_the_rail_said_meanwhile_ends_it_otherwise(session: Session) -> None:
    payment, case = in_doubt(session)
    tried_for_a_day(session, payment)
    propose(session, case, Ending.NOT_PAID)
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))

    making.said(session, payment, rails.proof(instruction), Source.QUERY)

    with pytest.raises(decisions.AlreadyDecided):
        confirm(session, case)
    assert payment.status is S.SUCCESS


def test_a_contradiction_blocks_until_two_people_understood_it(session: Session) -> None:
    payment, case = contradicted(session)
    no = rails.outcome(OutcomeKind.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, no, Source.QUERY)
    assert payment.status is S.FAILED
    with pytest.raises(errors.Conflict) as refusal:
        making.code_for(session, payment)
    assert refusal.value.code == "payment.blocked_by_case"

    settled(session, case, Ending.NOTED)

    assert payment.blocked_by_case_id is None
    making.released(session, payment, by="treasury_3")


def test_a_failure_from_a_callback_alone_is_confirmed_a_day_after_two_people(
    session: Session,
) -> None:
    payment, case = contradicted(session)
    no = rails.outcome(OutcomeKind.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, no, Source.CALLBACK)
    assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
    tried_for_a_day(session, payment)

    settled(session, case, Ending.NOT_PAID)

    attempt = making.attempt_of(session, payment)
    assert (attempt.state, payment.failure_confirmed) == (AttemptState.REJECTED, False)
    session.info["now"] += timedelta(hours=25)
    payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])
    assert payment.failure_confirmed


def test_a_failed_payment_that_was_paid_after_all_opens_no_further_case(session: Session) -> None:
    payment, case = contradicted(session)
    no = rails.outcome(OutcomeKind.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, no, Source.QUERY)

    settled(session, case, Ending.PAID)

    assert payment.status is S.SUCCESS
    assert payment.blocked_by_case_id is None
    assert making.open_cases(session, payment.id) == []
    assert making.entries(session, payment) == ["expense"]


def paid_by_a_forged_callback(session: Session) -> tuple[Payment, Case]:
    """Who knows the address can forge a proof; the rail's own word is another one."""
    payment = making.executing(session)
    making.answered(session, payment, rails.ACCEPTED)
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    making.said(session, payment, rails.proof(instruction), Source.CALLBACK)
    no = rails.outcome(OutcomeKind.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, no, Source.QUERY)
    return payment, making.the_case(session, payment)


def test_what_was_booked_as_paid_and_was_not_is_reversed(session: Session) -> None:
    payment, case = paid_by_a_forged_callback(session)
    before = session.get_one(Requisition, payment.requisition_id)
    assert (payment.status, before.status) == (S.SUCCESS, RequisitionStatus.PAID)

    settled(session, case, Ending.RETURNED)

    assert payment.status is S.REVERSED
    assert making.entries(session, payment) == ["expense", "returned"]
    assert making.open_cases(session, payment.id) == []
    assert before.status is RequisitionStatus.IN_PAYMENT
    again = payments.create(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=payment.requisition_id,
        amount=None,
    )
    assert again.amount == payment.amount


def test_only_what_was_paid_comes_back(session: Session) -> None:
    _, other = in_doubt(session)

    with pytest.raises(case_resolutions.EndingDoesNotFit):
        propose(session, other, Ending.RETURNED)


def test_other_cases_are_only_noted(session: Session) -> None:
    case = cases.open_case(
        session,
        kind=CaseKind.DEAD_LETTER,
        object_type="outbox_message",
        object_id=making.pending(session).id,
        summary="test",
        evidence={},
        severity=Severity.SEVERE,
    )

    with pytest.raises(case_resolutions.EndingDoesNotFit):
        propose(session, case, Ending.PAID)
    assert settled(session, case, Ending.NOTED).status is CaseStatus.RESOLVED


def test_a_locked_release_ends_with_its_own_verb(session: Session) -> None:
    payment = making.pending(session)
    case = cases.open_case(
        session,
        kind=CaseKind.RELEASE_LOCKED,
        object_type="payment",
        object_id=payment.id,
        summary="test",
        evidence={},
        severity=Severity.SEVERE,
    )

    with pytest.raises(case_resolutions.EndingDoesNotFit):
        propose(session, case, Ending.NOTED)


def test_a_declined_proposal_leaves_the_case_open(session: Session) -> None:
    payment, case = in_doubt(session)
    propose(session, case, Ending.PAID)

    case_resolutions.decline(
        Uow.of(session, acting(session, "group_finance_manager")),
        case_id=case.id,
        version=case.version,
        reason="the statement is of another day",
    )

    assert case.status is CaseStatus.OPEN
    assert payment.status is S.IN_DOUBT
    with pytest.raises(decisions.NothingProposed):
        confirm(session, case)
