"""Asking the rail: when, how often, and what silence leads to; what a fee costs."""

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from pettycash.gateways.base import OutcomeKind, RequestType
from pettycash.models.ledger import AccountKind
from pettycash.models.payments import AttemptState, Payment, PaymentStatus
from pettycash.runtime import errors
from pettycash.services import payments
from pettycash.services.payments import rail_slots
from pettycash.services.payments.results import Source
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, proven, unknown
from tests.factories.people import acting

pytestmark = pytest.mark.usefixtures("rail")

S, A, K = PaymentStatus, AttemptState, OutcomeKind


def test_a_fee_posts_once_it_is_proven(session: Session) -> None:
    payment = accepted(session)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    attempt = making.attempt_of(session, payment)
    assert attempt.fee is None
    resolve = making.outbox_message(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.completed_at is None, "the rail is asked for the fee"

    for _ in range(2):
        making.said(session, payment, proven(session, payment, fee=Decimal("22.40")), Source.QUERY)

    charges = books.account(
        session, AccountKind.PROVIDER_CHARGES, provider_account_id=payment.provider_account_id
    )
    assert making.entries(session, payment) == ["expense", "fee"]
    assert books.balance(session, charges.id)[0] == Decimal("-22.40")
    assert attempt.fee == Decimal("22.40")
    resolve = making.outbox_message(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.completed_at is not None


def test_a_fee_in_a_callback_is_not_believed(session: Session) -> None:
    payment = accepted(session)

    making.said(session, payment, proven(session, payment, fee=Decimal(9000)), Source.CALLBACK)

    assert making.entries(session, payment) == ["expense"]


def test_a_free_payment_has_a_fee_of_nothing(session: Session) -> None:
    payment = accepted(session)

    making.said(session, payment, proven(session, payment, fee=Decimal(0)), Source.QUERY)

    assert making.attempt_of(session, payment).fee == 0
    assert making.entries(session, payment) == ["expense"]


@pytest.mark.parametrize("years", [-10, 10])
def test_a_rails_clock_is_believed_within_reason(session: Session, years: int) -> None:
    payment = accepted(session)
    absurd = session.info["now"] + timedelta(days=365 * years)

    making.said(session, payment, proven(session, payment, occurred_at=absurd), Source.CALLBACK)

    assert payment.paid_at == session.info["now"]


def asked(session: Session, payment: Payment, at: datetime) -> bool:
    attempt = making.attempt_of(session, payment)
    return payments.next_question(session, attempt_id=attempt.id, now=at) is not None


def called_back(session: Session, payment: Payment) -> None:
    word = replace(proven(session, payment), exchange=rails.exchange(RequestType.CONFIRM))
    making.said(session, payment, word, Source.CALLBACK)


def test_what_a_callback_alone_proved_is_asked_about_until_the_rail_answers(
    session: Session,
) -> None:
    """A callback may be somebody else's; the receipt that it names is compared with the rail's."""
    payment = accepted(session)
    called_back(session, payment)
    now = session.info["now"]

    assert asked(session, payment, now + timedelta(hours=1))
    attempt = making.attempt_of(session, payment)
    late = now + timedelta(hours=23)
    question = payments.next_question(session, attempt_id=attempt.id, now=late)
    assert question is not None
    assert question.provider_reference is None, "asked by our reference, not by what it named"

    answer = replace(proven(session, payment), exchange=rails.exchange(RequestType.QUERY))
    making.said(session, payment, answer, Source.QUERY)
    assert not asked(session, payment, now + timedelta(hours=23, minutes=30))


def test_what_the_rail_never_says_is_not_asked_for_ever(session: Session) -> None:
    payment = accepted(session)
    called_back(session, payment)
    attempt = making.attempt_of(session, payment)

    assert not asked(session, payment, session.info["now"] + timedelta(hours=25))

    resolve = making.outbox_message(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.completed_at is not None
    assert making.open_cases(session, payment.id) == ["contradiction"], "people have to look"


def next_wait(session: Session, payment: Payment, at: datetime) -> float:
    """Ask now, record nothing, and say in how many seconds the next question comes."""
    attempt = making.attempt_of(session, payment)
    question = payments.next_question(session, attempt_id=attempt.id, now=at)
    assert question is not None
    rail_slots.free(session, account_id=question.instruction.account.id, holder=question.token)
    assert attempt.next_query_at is not None
    return (attempt.next_query_at - at).total_seconds()


def test_questions_come_at_growing_intervals(session: Session) -> None:
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    at = session.info["now"]

    for ceiling in (20, 40, 80, 160, 320, 640, 900, 900):
        assert 1 <= next_wait(session, payment, at) <= ceiling
        assert attempt.next_query_at is not None
        assert not asked(session, payment, attempt.next_query_at - timedelta(seconds=0.5))
        at = attempt.next_query_at


def test_the_same_question_of_many_attempts_is_not_asked_in_one_second(session: Session) -> None:
    """After an outage all of them are as far as each other."""
    random.seed(20261130)
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]
    seconds: Counter[int] = Counter()

    for _ in range(200):
        attempt.queries, attempt.next_query_at = 2, None
        seconds[int(next_wait(session, payment, now))] += 1

    assert max(seconds.values()) <= 10, "no second holds more than 5 %"
    assert min(seconds) < 10
    assert max(seconds) > 70


def test_past_its_time_a_payment_is_in_doubt_and_later_a_case(session: Session) -> None:
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]

    payments.next_question(session, attempt_id=attempt.id, now=now + timedelta(seconds=299))
    assert payment.status is S.EXECUTING
    payments.next_question(session, attempt_id=attempt.id, now=now + timedelta(seconds=300))
    assert payment.status is S.IN_DOUBT
    assert making.open_cases(session, payment.id) == []
    payments.next_question(session, attempt_id=attempt.id, now=now + timedelta(hours=1))
    assert making.open_cases(session, payment.id) == ["in_doubt"]
    assert making.open_holds(session, payment) == payment.amount, "held money never expires"


def test_the_rails_answer_ends_the_doubt_and_its_case(session: Session) -> None:
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    later = session.info["now"] + timedelta(hours=1)
    payments.next_question(session, attempt_id=attempt.id, now=later)

    making.said(session, payment, proven(session, payment), Source.QUERY)

    assert payment.status is S.SUCCESS
    assert making.open_cases(session, payment.id) == []


def test_what_waits_in_the_queue_is_not_in_doubt(session: Session) -> None:
    payment = making.executing(session)
    attempt = making.attempt_of(session, payment)

    later = session.info["now"] + timedelta(hours=2)

    assert payments.next_question(session, attempt_id=attempt.id, now=later) is None
    assert payment.status is S.EXECUTING


def test_after_a_while_the_same_instruction_is_sent_again(session: Session) -> None:
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    reference = attempt.originator_reference
    now = session.info["now"]
    payments.next_question(session, attempt_id=attempt.id, now=now)
    assert attempt.state is A.UNKNOWN

    payments.next_question(session, attempt_id=attempt.id, now=now + timedelta(seconds=601))

    assert (attempt.state, attempt.ever_unknown) == (A.QUEUED, True)
    claim = payments.claim(session, attempt_id=attempt.id, now=now + timedelta(seconds=602))
    assert claim is not None
    assert claim.instruction.originator_reference == reference


def test_sending_again_does_not_wind_up_the_clock(session: Session) -> None:
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    before = (attempt.first_sent_at, attempt.decide_by)
    now = session.info["now"]
    payments.next_question(session, attempt_id=attempt.id, now=now)
    later = now + timedelta(seconds=601)
    payments.next_question(session, attempt_id=attempt.id, now=later)

    claim = payments.claim(session, attempt_id=attempt.id, now=later)
    assert claim is not None
    payments.mark_sending(session, claim=claim, now=later)

    session.refresh(attempt)
    assert attempt.last_sent_at == later
    assert (attempt.first_sent_at, attempt.decide_by) == before


@pytest.mark.parametrize("reason", ["unsafe", "a day later", "blocked", "accepted"])
def test_nothing_is_sent_again(session: Session, rail: rails.FakeGateway, reason: str) -> None:
    payment = accepted(session) if reason == "accepted" else unknown(session)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]
    payments.next_question(session, attempt_id=attempt.id, now=now)
    later = now + timedelta(seconds=700)
    if reason == "unsafe":
        rail.same_id_is_safe = False  # type: ignore[misc]
    if reason == "a day later":
        later = now + timedelta(hours=24, seconds=1)
    if reason == "blocked":
        payment.blocked_by_case_id = books.new_id()

    payments.next_question(session, attempt_id=attempt.id, now=later)

    assert attempt.state is not A.QUEUED


def test_a_hand_asks_at_once(session: Session) -> None:
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]
    payments.next_question(session, attempt_id=attempt.id, now=now)
    assert payments.next_question(session, attempt_id=attempt.id, now=now) is None

    payments.requery(session, payment_id=payment.id, actor=acting(session, "operator"), now=now)

    assert payments.next_question(session, attempt_id=attempt.id, now=now) is not None


def test_there_is_nothing_to_ask_about_what_was_not_sent(session: Session) -> None:
    payment = making.executing(session)

    with pytest.raises(errors.Conflict) as refusal:
        payments.requery(
            session,
            payment_id=payment.id,
            actor=acting(session, "operator"),
            now=session.info["now"],
        )
    assert refusal.value.code == "payment.nothing_to_ask"
