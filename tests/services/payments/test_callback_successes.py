"""What a callback alone called paid is asked about; an answer that denies it is people's case."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from pettycash.gateways.base import Outcome, OutcomeKind, RequestType
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.runtime import settings
from pettycash.services import payments
from pettycash.services.payments import facts, settlement
from pettycash.services.payments.results import ReportEffect, Source
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, failed, log_of, proven
from tests.factories.people import acting
from tests.services.payments.test_status_queries import called_back

pytestmark = pytest.mark.usefixtures("rail")

S, A, K = PaymentStatus, AttemptState, OutcomeKind

Asking = Callable[[Session, PaymentAttempt, datetime, Outcome], ReportEffect]

KNOWS_NOTHING = rails.outcome(K.NOT_KNOWN, code="2033")


def by_callback(session: Session) -> tuple[Payment, PaymentAttempt]:
    """A payment that nobody but a callback has called paid."""
    payment = accepted(session)
    called_back(session, payment)
    assert payment.status is S.SUCCESS, "it settles at once"
    return payment, making.attempt_of(session, payment)


def later(session: Session, **time: float) -> datetime:
    now: datetime = session.info["now"]
    return now + timedelta(**time)


def ask(session: Session, attempt: PaymentAttempt, at: datetime, answer: Outcome) -> ReportEffect:
    """Ask the rail, which answers at once."""
    question = payments.next_question(session, attempt_id=attempt.id, now=at)
    assert question is not None
    return payments.record_answer(session, question=question, answer=answer, now=at)


def asked_by_callback(
    session: Session, attempt: PaymentAttempt, at: datetime, answer: Outcome
) -> ReportEffect:
    """Ask the rail, which answers by callback and names the question."""
    question = payments.next_question(session, attempt_id=attempt.id, now=at)
    assert question is not None
    payments.record_answer(session, question=question, answer=rails.ASKED, now=at)
    payment = session.get_one(Payment, attempt.payment_id)
    named = replace(answer, asked_reference=rails.ASKED.reference)
    return making.said(session, payment, named, Source.QUERY_CALLBACK, attempt=attempt)


@pytest.mark.parametrize("how", [ask, asked_by_callback])
def test_the_rails_own_answer_confirms_it(session: Session, how: Asking) -> None:
    payment, attempt = by_callback(session)
    answer = replace(
        proven(session, payment, fee=Decimal("22.40")), exchange=rails.exchange(RequestType.QUERY)
    )

    how(session, attempt, later(session, minutes=1), answer)

    assert (attempt.fee, making.open_cases(session, payment.id)) == (Decimal("22.40"), [])
    day_after = later(session, hours=25)
    assert payments.next_question(session, attempt_id=attempt.id, now=day_after) is None
    assert making.open_cases(session, payment.id) == []


@pytest.mark.parametrize("how", [ask, asked_by_callback])
@pytest.mark.parametrize(
    "denial",
    [
        rails.outcome(K.REJECTED, code="Declined"),
        KNOWS_NOTHING,
    ],
)
def test_an_answer_that_denies_it_is_a_contradiction(
    session: Session, how: Asking, denial: Outcome
) -> None:
    payment, attempt = by_callback(session)

    verdict = how(session, attempt, later(session, minutes=6), denial)

    assert verdict is ReportEffect.CASE
    assert making.open_cases(session, payment.id) == ["contradiction"]
    assert payment.blocked_by_case_id is not None
    assert (payment.status, making.entries(session, payment)) == (S.SUCCESS, ["expense"])


def test_soon_after_it_a_rail_may_not_know_of_it_yet(session: Session) -> None:
    payment, attempt = by_callback(session)
    soon = timedelta(seconds=settings.current().decide_by_seconds - 1)

    assert ask(session, attempt, session.info["now"] + soon, KNOWS_NOTHING) is ReportEffect.ASKED
    assert making.open_cases(session, payment.id) == []


def test_said_again_and_again_it_voids_no_proposal_of_people(session: Session) -> None:
    payment, attempt = by_callback(session)
    ask(session, attempt, later(session, minutes=6), KNOWS_NOTHING)
    version = making.the_case(session, payment).version

    assert ask(session, attempt, later(session, minutes=30), KNOWS_NOTHING) is ReportEffect.ASKED
    assert making.the_case(session, payment).version == version


def test_what_the_rail_has_confirmed_is_not_denied_by_its_forgetting(session: Session) -> None:
    payment, attempt = by_callback(session)
    answer = replace(proven(session, payment), exchange=rails.exchange(RequestType.QUERY))
    ask(session, attempt, later(session, minutes=1), answer)

    assert ask(session, attempt, later(session, minutes=8), KNOWS_NOTHING) is ReportEffect.ASKED
    assert making.open_cases(session, payment.id) == []


def test_never_confirmed_it_is_a_case_and_asked_about_whenever_people_want(
    session: Session,
) -> None:
    payment, attempt = by_callback(session)
    day_after = later(session, hours=25)

    assert payments.next_question(session, attempt_id=attempt.id, now=day_after) is None

    case = making.the_case(session, payment)
    assert (case.kind, case.severity) == ("contradiction", "severe")
    assert payment.number in case.summary
    payments.requery(
        session, payment_id=payment.id, actor=acting(session, "operator"), now=day_after
    )
    question = payments.next_question(session, attempt_id=attempt.id, now=day_after)
    assert question is not None


def test_what_two_people_settled_needs_no_further_case(session: Session) -> None:
    payment = accepted(session)
    attempt = making.attempt_of(session, payment)
    locked = facts.lock_attempt(session, attempt_id=attempt.id)
    assert locked is not None
    proof = settlement.Proof(
        amount=attempt.amount,
        provider_reference="RKT1234567",
        occurred_at=None,
        code="people.paid",
        message="On the statement.",
        by_people=True,
    )
    settlement.settle(session, locked=locked, proof=proof, now=session.info["now"])

    days_after = later(session, hours=50)
    assert payments.next_question(session, attempt_id=attempt.id, now=days_after) is None
    assert making.open_cases(session, payment.id) == []


class TestAnAnswerToNoQuestion:
    """Its address may have got known: what names no question of ours is a callback like any."""

    def test_is_not_asked_about_before_the_answer_that_is_on_its_way(
        self, session: Session
    ) -> None:
        payment, attempt = by_callback(session)
        asked_at = later(session, minutes=1)
        assert payments.next_question(session, attempt_id=attempt.id, now=asked_at) is not None
        queries, next_at = attempt.queries, attempt.next_query_at
        session.info["now"] = asked_at + timedelta(seconds=1)
        other = proven(session, payment, provider_reference="ANOTHER123")

        assert making.said(session, payment, other, Source.QUERY_CALLBACK) is ReportEffect.CASE

        assert attempt.queries == queries, "an answer that is late is no new reason to ask"
        pause = timedelta(seconds=settings.current().query_first_seconds)
        assert attempt.next_query_at == min(next_at, asked_at + pause)
        session.info["now"] = asked_at + pause
        assert making.said(session, payment, other, Source.QUERY_CALLBACK) is ReportEffect.CASE
        assert attempt.next_query_at == asked_at + pause
        assert attempt.queries == 0

    def test_settles_with_all_the_facts_alone(self, session: Session) -> None:
        payment = accepted(session)
        other = proven(session, payment, amount=Decimal(1400))

        assert making.said(session, payment, other, Source.QUERY_CALLBACK) is ReportEffect.CASE
        assert payment.status is S.EXECUTING
        whole = proven(session, payment, fee=Decimal(9000))
        assert making.said(session, payment, whole, Source.QUERY_CALLBACK) is ReportEffect.SETTLED
        assert making.entries(session, payment) == ["expense"], "its fee is not believed"
        assert making.attempt_of(session, payment).fee is None

    def test_is_on_record_as_a_callback_and_still_asked_about(self, session: Session) -> None:
        payment = accepted(session)
        word = replace(proven(session, payment), exchange=rails.exchange(RequestType.QUERY))
        making.said(session, payment, word, Source.QUERY_CALLBACK)
        attempt = making.attempt_of(session, payment)

        assert log_of(session, payment)[-1] == ("CONFIRM", "settled")
        day = later(session, hours=23)
        question = payments.next_question(session, attempt_id=attempt.id, now=day)
        assert question is not None
        assert question.provider_reference is None

    def test_brings_no_failed_payment_back(self, session: Session) -> None:
        payment = failed(session)

        verdict = making.said(session, payment, proven(session, payment), Source.QUERY_CALLBACK)

        assert (verdict, payment.status) == (ReportEffect.CASE, S.FAILED)
        assert making.entries(session, payment) == []

    def test_fails_nothing(self, session: Session) -> None:
        payment = accepted(session)
        no = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)

        assert making.said(session, payment, no, Source.QUERY_CALLBACK) is ReportEffect.ASKED
        assert payment.status is S.EXECUTING
