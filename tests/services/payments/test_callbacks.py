"""What callbacks do to payment and books: one effect, and nothing silently."""

from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from pettycash.gateways.base import OutcomeKind
from pettycash.models.ledger import AccountKind
from pettycash.models.payments import AttemptState, PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import rules
from pettycash.services.payments.results import ReportEffect, Source
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, failed, log_of, proven, store_balance
from tests.factories.people import acting

pytestmark = pytest.mark.usefixtures("rail")

S, A, K = PaymentStatus, AttemptState, OutcomeKind


def test_the_same_proof_twice_has_one_effect(session: Session) -> None:
    payment = accepted(session)
    word = proven(session, payment)
    making.said(session, payment, word, Source.CALLBACK)
    before = store_balance(session, payment)

    again = [making.said(session, payment, word, source) for source in Source]

    assert set(again) == {ReportEffect.IGNORED}
    assert store_balance(session, payment) == before
    assert making.entries(session, payment) == ["expense"]
    assert making.open_cases(session, payment.id) == []


@pytest.mark.parametrize("missing", ["originator_reference", "amount", "destination"])
def test_less_than_a_whole_proof_is_a_reason_to_ask(session: Session, missing: str) -> None:
    payment = making.executing(session)
    making.answered(session, payment, rails.outcome(K.ACCEPTED))

    verdict = making.said(
        session, payment, proven(session, payment, **{missing: None}), Source.CALLBACK
    )

    assert verdict is ReportEffect.ASKED
    assert payment.status is S.EXECUTING


def test_the_rails_own_id_matches_like_ours(session: Session) -> None:
    payment = accepted(session)
    word = proven(session, payment, originator_reference=None, conversation_id="AG_1")

    assert making.said(session, payment, word, Source.CALLBACK) is ReportEffect.SETTLED


@pytest.mark.parametrize(
    "lie",
    [{"amount": Decimal("15000.00")}, {"destination": "254799999999"}],
)
def test_another_amount_or_payee_is_never_taken(session: Session, lie: dict[str, object]) -> None:
    payment = accepted(session)

    verdict = making.said(session, payment, proven(session, payment, **lie), Source.CALLBACK)

    assert verdict is ReportEffect.CASE
    assert payment.status is S.EXECUTING
    assert making.entries(session, payment) == []
    assert making.open_cases(session, payment.id) == ["contradiction"]
    attempt = making.attempt_of(session, payment)
    resolve = making.outbox_message(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.due_at <= session.info["now"]


def test_a_failure_by_callback_is_confirmed_by_the_rail_before_anything_else(
    session: Session,
) -> None:
    payment = accepted(session)
    word = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)

    assert making.said(session, payment, word, Source.CALLBACK) is ReportEffect.REJECTED

    assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
    with pytest.raises(rules.FailureUnconfirmed):
        making.code_for(session, payment)
    with pytest.raises(rules.FailureUnconfirmed):
        payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=payment.id)
    with pytest.raises(rules.FailureUnconfirmed):
        payments.create(
            Uow.of(session, acting(session, "treasury")),
            requisition_id=payment.requisition_id,
            amount=None,
        )
    attempt = making.attempt_of(session, payment)
    question = payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])
    assert question is not None
    answer = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)
    payments.record_answer(session, question=question, answer=answer, now=session.info["now"])

    assert payment.failure_confirmed
    making.released(session, payment)
    assert payment.status is S.EXECUTING


def test_a_failure_without_our_reference_fails_nothing(session: Session) -> None:
    payment = making.executing(session)
    making.answered(session, payment, rails.outcome(K.ACCEPTED))

    verdict = making.said(session, payment, rails.outcome(K.REJECTED), Source.CALLBACK)

    assert verdict is ReportEffect.ASKED
    assert payment.status is S.EXECUTING


def test_a_forged_failure_is_undone_by_the_rails_own_word(session: Session) -> None:
    payment = accepted(session)
    forged = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, forged, Source.CALLBACK)
    truth = proven(session, payment)

    by_callback = making.said(session, payment, truth, Source.CALLBACK)
    assert (by_callback, payment.status) == (ReportEffect.CASE, S.FAILED)
    by_query = making.said(session, payment, truth, Source.QUERY)

    assert (by_query, payment.status) == (ReportEffect.SETTLED, S.SUCCESS)
    assert making.entries(session, payment) == ["expense"]
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_late_proof_after_a_failure_posts_and_blocks(session: Session) -> None:
    payment = failed(session)
    before = store_balance(session, payment)

    verdict = making.said(session, payment, proven(session, payment), Source.QUERY)

    assert verdict is ReportEffect.SETTLED
    assert payment.status is S.SUCCESS
    assert store_balance(session, payment)[0] == before[0] - payment.amount
    assert payment.blocked_by_case_id is not None
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_late_proof_while_the_next_attempt_waits_takes_that_back(session: Session) -> None:
    payment = failed(session)
    first = making.attempt_of(session, payment)
    late = proven(session, payment)
    making.released(session, payment)
    second = making.attempt_of(session, payment)

    making.said(session, payment, late, Source.QUERY, attempt=first)

    session.refresh(second)
    assert payment.status is S.SUCCESS
    assert (second.state, second.outcome_code) == (A.REJECTED, "local.withdrawn")
    assert making.open_holds(session, payment) == 0
    assert payments.claim(session, attempt_id=second.id, now=session.info["now"]) is None


def test_a_withdrawn_attempt_can_not_leave_under_its_old_claim(session: Session) -> None:
    payment = failed(session)
    first = making.attempt_of(session, payment)
    late = proven(session, payment)
    making.released(session, payment)
    second = making.attempt_of(session, payment)
    claim = payments.claim(session, attempt_id=second.id, now=session.info["now"])
    assert claim is not None

    making.said(session, payment, late, Source.QUERY, attempt=first)

    with pytest.raises(payments.ClaimLost):
        payments.mark_sending(session, claim=claim, now=session.info["now"])


def test_a_duplicate_payment_is_recoverable_from_the_payee(session: Session) -> None:
    payment = failed(session)
    first = making.attempt_of(session, payment)
    late = proven(session, payment, receipt="LATE123456")
    making.released(session, payment)
    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    assert payment.status is S.SUCCESS
    owed = books.account(session, AccountKind.RECOVERABLE)

    making.said(session, payment, late, Source.QUERY, attempt=first)

    assert making.entries(session, payment) == ["expense", "duplicate_payment"]
    assert books.balance(session, owed.id)[0] == payment.amount
    assert payment.provider_reference == "RKT1234567"
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_proof_of_a_cancelled_payment_is_booked_too(session: Session) -> None:
    payment = failed(session)
    payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=payment.id)

    making.said(session, payment, proven(session, payment), Source.QUERY)

    assert payment.status is S.CANCELLED
    assert making.entries(session, payment) == ["duplicate_payment"]
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_failure_after_a_success_changes_nothing_and_is_told(session: Session) -> None:
    payment = accepted(session)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    no = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)

    verdicts = {making.said(session, payment, no, source) for source in Source}

    assert verdicts == {ReportEffect.CASE}
    assert payment.status is S.SUCCESS
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_two_receipts_for_one_reference_are_told(session: Session) -> None:
    payment = accepted(session)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)

    verdict = making.said(
        session, payment, proven(session, payment, receipt="OTHER12345"), Source.QUERY
    )

    assert verdict is ReportEffect.CASE
    assert making.entries(session, payment) == ["expense"]


def test_one_receipt_does_not_prove_two_payments(session: Session) -> None:
    first = accepted(session)
    making.said(session, first, proven(session, first), Source.CALLBACK)
    second = accepted(session)

    for source in (Source.CALLBACK, Source.QUERY):
        assert making.said(session, second, proven(session, second), source) is ReportEffect.CASE

    assert second.status is S.EXECUTING


def test_the_rail_itself_may_prove_another_amount(session: Session) -> None:
    payment = accepted(session)
    before = store_balance(session, payment)

    making.said(session, payment, proven(session, payment, amount=Decimal(1400)), Source.QUERY)

    assert (payment.status, payment.paid_amount) == (S.SUCCESS, Decimal(1400))
    assert store_balance(session, payment)[0] == before[0] - Decimal(1400)
    assert making.open_holds(session, payment) == 0
    assert making.open_cases(session, payment.id) == ["contradiction"]
    requisition = session.get_one(Requisition, payment.requisition_id)
    assert requisition.status is RequisitionStatus.IN_PAYMENT


def test_the_rail_naming_another_payee_is_told_and_settles_nothing(session: Session) -> None:
    payment = accepted(session)

    verdict = making.said(
        session, payment, proven(session, payment, destination="254799999999"), Source.QUERY
    )

    assert verdict is ReportEffect.CASE
    assert payment.status is S.EXECUTING
    assert making.open_holds(session, payment) == payment.amount


def test_an_answer_by_callback_that_names_nobody_proves_nothing(session: Session) -> None:
    payment = making.executing(session)
    making.answered(session, payment, rails.outcome(K.ACCEPTED))
    nobody = proven(session, payment, originator_reference=None, destination=None)

    assert making.said(session, payment, nobody, Source.QUERY_CALLBACK) is ReportEffect.ASKED
    assert payment.status is S.EXECUTING


def test_a_callback_about_other_money_is_unmatched(session: Session) -> None:
    payment = accepted(session)
    callback = books.new_id()
    strange = rails.outcome(K.SETTLED, conversation_id="AG_other", amount=Decimal(5))

    verdict = making.said(session, payment, strange, Source.CALLBACK, callback_id=callback)

    assert verdict is ReportEffect.CASE
    assert making.open_cases(session, callback) == ["unmatched_callback"]
    assert payment.blocked_by_case_id is None


def test_a_time_out_notice_says_nothing_of_the_money(session: Session) -> None:
    payment = accepted(session)

    verdict = making.said(session, payment, rails.LOST, Source.NOTICE)

    attempt = making.attempt_of(session, payment)
    assert verdict is ReportEffect.ASKED
    assert (payment.status, attempt.state, attempt.ever_unknown) == (S.EXECUTING, A.UNKNOWN, True)


def test_a_proof_while_sending_settles_and_the_late_answer_changes_nothing(
    session: Session,
) -> None:
    payment = making.executing(session)
    claim = making.sending(session, payment)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    assert payment.status is S.SUCCESS

    payments.record_outcome(session, claim=claim, outcome=rails.ACCEPTED, now=session.info["now"])

    assert making.attempt_of(session, payment).state is A.SETTLED
    assert log_of(session, payment)[-1] == ("INITIATE", "accepted")
