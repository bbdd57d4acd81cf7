"""What must not leave, or not count: after a long pause, and when the rail speaks late."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.gateways.base import Outcome
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import case_resolutions, rules
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from pettycash.services.payments.results import ReportEffect, Source
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import failed, log_of, proven, unknown
from tests.factories.judging import settled, tried_for_a_day
from tests.factories.people import acting

pytestmark = pytest.mark.usefixtures("rail")

S, A = PaymentStatus, AttemptState


def declined(session: Session, payment: Payment) -> Outcome:
    """What the rail says of a payment that it did not make, in answer to the question Q_1."""
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    return rails.outcome(
        rails.K.REJECTED,
        code="declined",
        asked_reference="Q_1",
        originator_reference=instruction.originator_reference,
        destination=instruction.destination,
    )


def requeued(session: Session) -> tuple[Payment, PaymentAttempt, datetime]:
    """A payment whose first answer was lost, and that waits to be sent again."""
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]
    payments.next_question(session, attempt_id=attempt.id, now=now)
    later = now + timedelta(seconds=601)
    payments.next_question(session, attempt_id=attempt.id, now=later)
    assert attempt.state is A.QUEUED
    return payment, attempt, later


class TestTheWindowOfARepeat:
    """Rails recognise a repeated reference for a day; a pause may outlast it."""

    def test_a_repeat_that_waited_for_days_does_not_leave(self, session: Session) -> None:
        _, attempt, later = requeued(session)

        claim = payments.claim(session, attempt_id=attempt.id, now=later + timedelta(hours=72))

        assert claim is None
        assert attempt.state is A.UNKNOWN
        resolve = making.outbox_message(session, "payments.resolve", attempt.id)
        assert resolve is not None
        assert resolve.due_at <= later + timedelta(hours=72), "the rail is asked instead"

    def test_a_claim_that_stood_still_over_the_end_of_the_window_does_not_leave(
        self, session: Session
    ) -> None:
        _, attempt, later = requeued(session)
        claim = payments.claim(session, attempt_id=attempt.id, now=later)
        assert claim is not None
        making.set_attempt(
            session, attempt, first_sent_at=session.info["now"] - timedelta(hours=25)
        )

        with pytest.raises(payments.ClaimLost):
            payments.mark_sending(session, claim=claim, now=later)

        assert attempt.state is A.CLAIMED
        after = later + timedelta(minutes=1)
        assert payments.claim(session, attempt_id=attempt.id, now=after) is None
        assert attempt.state is A.UNKNOWN

    def test_what_provably_never_left_has_no_window(self, session: Session) -> None:
        payment = making.executing(session)
        making.answered(session, payment, rails.NOT_SENT)
        attempt = making.attempt_of(session, payment)
        later = session.info["now"] + timedelta(hours=72)

        claim = payments.claim(session, attempt_id=attempt.id, now=later)

        assert claim is not None
        payments.mark_sending(session, claim=claim, now=later)


def called_unpaid(session: Session) -> tuple[Payment, PaymentAttempt, payments.Claim]:
    """Two people say that it was not paid, while the answer to its sending is still to come, and
    another day passes.
    """
    payment = making.executing(session)
    claim = making.sending(session, payment)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]
    for wait in (timedelta(minutes=1), timedelta(hours=1)):
        payments.next_question(session, attempt_id=attempt.id, now=now + wait)
    tried_for_a_day(session, payment)
    settled(session, making.the_case(session, payment), Ending.NOT_PAID)
    tried_for_a_day(session, payment)
    assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)
    return payment, attempt, claim


class TestTheRailSpeaksAfterPeopleDid:
    @pytest.mark.parametrize("answer", [rails.ACCEPTED, rails.LOST], ids=["accepted", "unknown"])
    def test_an_answer_that_allows_for_payment_is_a_contradiction(
        self, session: Session, answer: Outcome
    ) -> None:
        payment, attempt, claim = called_unpaid(session)

        payments.record_outcome(session, claim=claim, outcome=answer, now=session.info["now"])

        assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
        assert attempt.failure_confirmed_at is None
        assert making.open_cases(session, payment.id) == ["contradiction"]
        resolve = making.outbox_message(session, "payments.resolve", attempt.id)
        assert resolve is not None
        assert resolve.completed_at is None, "the rail is asked on"
        with pytest.raises((rules.BlockedByCase, rules.FailureUnconfirmed)):
            making.released(session, payment)

    def test_a_refusal_agrees_with_them(self, session: Session) -> None:
        payment, _, claim = called_unpaid(session)

        payments.record_outcome(
            session, claim=claim, outcome=rails.REJECTED, now=session.info["now"]
        )

        assert payment.failure_confirmed
        assert making.open_cases(session, payment.id) == []

    def test_what_it_says_next_decides(self, session: Session) -> None:
        payment, _, claim = called_unpaid(session)
        payments.record_outcome(
            session, claim=claim, outcome=rails.ACCEPTED, now=session.info["now"]
        )

        making.said(session, payment, proven(session, payment), Source.QUERY)

        assert payment.status is S.SUCCESS
        assert making.entries(session, payment) == ["expense"]


class TestALateAnswer:
    def test_accepted_after_a_worker_lost_track_is_accepted(self, session: Session) -> None:
        payment = making.executing(session)
        claim = making.sending(session, payment)
        attempt = making.attempt_of(session, payment)
        later = session.info["now"] + timedelta(minutes=1)
        payments.next_question(session, attempt_id=attempt.id, now=later)
        assert attempt.state is A.UNKNOWN

        payments.record_outcome(session, claim=claim, outcome=rails.ACCEPTED, now=later)

        assert attempt.state is A.ACCEPTED
        assert attempt.conversation_id == "AG_1"

    @pytest.mark.parametrize("taken", [False, True], ids=["queued", "claimed by another"])
    def test_accepted_is_not_sent_again(self, session: Session, taken: bool) -> None:
        payment = making.executing(session)
        claim = making.sending(session, payment)
        attempt = making.attempt_of(session, payment)
        now = session.info["now"]
        payments.next_question(session, attempt_id=attempt.id, now=now + timedelta(minutes=1))
        later = now + timedelta(minutes=12)
        payments.next_question(session, attempt_id=attempt.id, now=later)
        assert attempt.state is A.QUEUED
        again = payments.claim(session, attempt_id=attempt.id, now=later) if taken else None

        payments.record_outcome(session, claim=claim, outcome=rails.ACCEPTED, now=later)

        assert attempt.state is A.ACCEPTED
        submit = making.outbox_message(session, "payments.submit", attempt.id)
        assert submit is not None
        assert submit.completed_at is not None
        if again is not None:
            with pytest.raises(payments.ClaimLost):
                payments.mark_sending(session, claim=again, now=later)


class TestAnAnswerToAnOlderQuestion:
    """Between the question and its answer the same instruction left once more."""

    def test_by_callback_it_confirms_nothing(self, session: Session) -> None:
        payment, attempt, later = requeued(session)
        making.set_attempt(session, attempt, asked_reference="Q_1")
        since = later + timedelta(seconds=1)
        claim = payments.claim(session, attempt_id=attempt.id, now=since)
        assert claim is not None
        payments.mark_sending(session, claim=claim, now=since)
        session.refresh(attempt)
        payments.record_outcome(session, claim=claim, outcome=rails.LOST, now=since)

        verdict = making.said(session, payment, declined(session, payment), Source.QUERY_CALLBACK)

        assert verdict is ReportEffect.ASKED
        assert (payment.status, attempt.state) == (S.IN_DOUBT, A.UNKNOWN)
        assert log_of(session, payment)[-1][1] == "rejected", "it is on record"

    def test_as_an_answer_it_confirms_nothing(self, session: Session) -> None:
        payment = unknown(session)
        attempt = making.attempt_of(session, payment)
        now = session.info["now"]
        question = payments.next_question(session, attempt_id=attempt.id, now=now)
        assert question is not None
        sent_since = now + timedelta(seconds=1)
        making.set_attempt(session, attempt, last_sent_at=sent_since)

        verdict = payments.record_answer(
            session, question=question, answer=declined(session, payment), now=sent_since
        )

        assert verdict is ReportEffect.ASKED
        assert payment.status is S.EXECUTING

    def test_the_answer_to_a_newer_question_counts(self, session: Session) -> None:
        payment = unknown(session)
        attempt = making.attempt_of(session, payment)
        now = session.info["now"] + timedelta(seconds=1)
        question = payments.next_question(session, attempt_id=attempt.id, now=now)
        assert question is not None
        payments.record_answer(session, question=question, answer=rails.ASKED, now=now)

        verdict = making.said(session, payment, declined(session, payment), Source.QUERY_CALLBACK)

        assert verdict is ReportEffect.REJECTED
        assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)


def not_made(session: Session, payment: Payment) -> Outcome:
    """What the rail reports by itself of a payment that it did not make."""
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    return rails.outcome(rails.K.REJECTED, originator_reference=instruction.originator_reference)


def another(session: Session, payment: Payment) -> Payment:
    """A payment made anew for the money of one that failed."""
    return payments.create(
        Uow.of(session, acting(session, making.MAKER)),
        requisition_id=payment.requisition_id,
        amount=None,
    )


class TestAnotherPaymentTookItsPlace:
    @pytest.mark.parametrize("answer", [rails.ACCEPTED, rails.LOST], ids=["accepted", "unknown"])
    def test_a_late_answer_to_the_first_is_not_lost_and_holds_the_second(
        self, session: Session, answer: Outcome
    ) -> None:
        payment, _, claim = called_unpaid(session)
        second = another(session, payment)

        payments.record_outcome(session, claim=claim, outcome=answer, now=session.info["now"])
        session.flush()

        assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
        assert making.open_cases(session, payment.id) == ["contradiction"]
        with pytest.raises(DBAPIError, match="exceed the approved"):
            making.released(session, second)

    def test_what_became_of_the_second_is_recorded_all_the_same(self, session: Session) -> None:
        """The first was proven paid: the second, which has left, is in doubt or has failed."""
        payment = failed(session)
        second = another(session, payment)
        making.released(session, second)
        making.answered(session, second, rails.ACCEPTED)
        making.said(session, payment, proven(session, payment), Source.QUERY)
        session.flush()
        attempt = making.attempt_of(session, second)
        late = session.info["now"] + timedelta(minutes=6)

        payments.next_question(session, attempt_id=attempt.id, now=late)
        session.flush()
        assert second.status is S.IN_DOUBT
        making.said(session, second, not_made(session, second), Source.CALLBACK)
        session.flush()

        assert (second.status, second.failure_confirmed) == (S.FAILED, False)

    def test_a_cancelled_one_that_the_rail_has_after_all_holds_the_second(
        self, session: Session
    ) -> None:
        payment, attempt, claim = called_unpaid(session)
        now = session.info["now"]
        payments.cancel(Uow(session, acting(session, "treasury"), now), payment_id=payment.id)
        second = another(session, payment)

        payments.record_outcome(session, claim=claim, outcome=rails.ACCEPTED, now=now)

        with pytest.raises(rules.ExceedsApproved), session.begin_nested():
            making.released(session, second)
        making.said(session, payment, rails.outcome(rails.K.REJECTED), Source.QUERY)
        assert attempt.failure_confirmed_at is not None
        making.released(session, second)
        assert second.status is S.EXECUTING


class TestAnotherAttemptTookItsPlace:
    """Two people called the first unpaid, and the rail has accepted it after all."""

    def cannot_be_noted(self, session: Session, payment: Payment) -> None:
        case = making.the_case(session, payment)
        with pytest.raises(case_resolutions.EndingDoesNotFit):
            case_resolutions.propose(
                Uow.of(session, acting(session, "cfo")),
                case_id=case.id,
                proposal=CaseProposal(ending=Ending.NOTED, note="the second one is what counts"),
            )

    def test_one_that_waits_is_not_let_go(self, session: Session) -> None:
        payment, _, claim = called_unpaid(session)
        making.released(session, payment)

        payments.record_outcome(
            session, claim=claim, outcome=rails.ACCEPTED, now=session.info["now"]
        )

        self.cannot_be_noted(session, payment)

    def test_its_failure_confirms_nothing_of_the_first(self, session: Session) -> None:
        payment, attempt, claim = called_unpaid(session)
        making.released(session, payment)
        second = making.attempt_of(session, payment)
        making.answered(session, payment, rails.ACCEPTED)
        payments.record_outcome(
            session, claim=claim, outcome=rails.ACCEPTED, now=session.info["now"]
        )

        making.said(session, payment, rails.outcome(rails.K.REJECTED), Source.QUERY, attempt=second)

        assert second.failure_confirmed_at is not None
        assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
        self.cannot_be_noted(session, payment)
        making.said(
            session, payment, rails.outcome(rails.K.REJECTED), Source.QUERY, attempt=attempt
        )
        assert payment.failure_confirmed


class TestAFailureThatOvertakesTheAnswer:
    @pytest.mark.parametrize("answer", [rails.ACCEPTED, rails.LOST], ids=["accepted", "unknown"])
    def test_it_is_no_contradiction(self, session: Session, answer: Outcome) -> None:
        payment = making.executing(session)
        claim = making.sending(session, payment)
        making.said(session, payment, not_made(session, payment), Source.CALLBACK)
        assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)

        payments.record_outcome(session, claim=claim, outcome=answer, now=session.info["now"])

        assert not payment.failure_confirmed
        assert making.open_cases(session, payment.id) == []
        making.said(session, payment, rails.outcome(rails.K.REJECTED), Source.QUERY)
        assert payment.failure_confirmed
