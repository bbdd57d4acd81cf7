"""What answers to a sending do to payment and books, and what a claim is worth."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pettycash.gateways.base import OutcomeKind
from pettycash.models.imprest import ProviderAccount
from pettycash.models.payments import (
    TRANSITIONS,
    AttemptState,
    IllegalTransition,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services import payments
from pettycash.services.payments import facts
from pettycash.services.payments.results import ReportEffect, Source
from pettycash.services.reconciliation.invariants import check_books
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, failed, log_of, proven, store_balance, unknown

pytestmark = pytest.mark.usefixtures("rail")

S, A, K = PaymentStatus, AttemptState, OutcomeKind


@pytest.mark.parametrize(("start", "end"), list(product(S, repeat=2)))
def test_every_pair_of_states_is_either_allowed_or_refused(start: S, end: S) -> None:
    payment = Payment(status=start, version=1)
    at = datetime.fromisoformat("2026-11-20T10:00:00+00:00")

    if end in TRANSITIONS[start]:
        payment.move_to(end, at=at)
        assert (payment.status, payment.version) == (end, 2)
    else:
        with pytest.raises(IllegalTransition):
            payment.move_to(end, at=at)


def test_accepted_is_no_proof(session: Session) -> None:
    payment = accepted(session)

    attempt = making.attempt_of(session, payment)
    assert (payment.status, attempt.state) == (S.EXECUTING, A.ACCEPTED)
    assert attempt.conversation_id == "AG_1"
    assert making.entries(session, payment) == []
    assert making.open_holds(session, payment) == payment.amount
    submit = making.outbox_message(session, "payments.submit", attempt.id)
    assert submit is not None
    assert submit.completed_at is not None


def test_each_step_that_readers_see_is_a_new_version(session: Session) -> None:
    payment = making.executing(session)
    versions = [payment.version]
    making.answered(session, payment, rails.ACCEPTED)
    versions.append(payment.version)
    making.said(session, payment, rails.LOST, Source.NOTICE)
    versions.append(payment.version)
    making.said(session, payment, proven(session, payment), Source.QUERY)
    versions.append(payment.version)

    assert versions == sorted(set(versions))
    assert payment.gateway_status == "settled"


def test_a_proof_settles_everything_in_one_go(session: Session) -> None:
    payment = accepted(session)
    before = store_balance(session, payment)

    verdict = making.said(session, payment, proven(session, payment), Source.CALLBACK)

    assert verdict is ReportEffect.SETTLED
    assert payment.status is S.SUCCESS
    assert (payment.paid_amount, payment.provider_reference) == (payment.amount, "RKT1234567")
    assert store_balance(session, payment)[0] == before[0] - payment.amount
    assert making.open_holds(session, payment) == 0
    assert making.entries(session, payment) == ["expense"]
    requisition = session.get_one(Requisition, payment.requisition_id)
    assert requisition.status is RequisitionStatus.PAID
    assert log_of(session, payment)[-1][1] == "settled"


def test_a_refused_sending_fails_and_frees_the_money(session: Session) -> None:
    payment = failed(session)

    attempt = making.attempt_of(session, payment)
    assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)
    assert attempt.failure_confirmed_at is not None
    assert making.open_holds(session, payment) == 0
    for topic in ("payments.submit", "payments.resolve"):
        enqueued = making.outbox_message(session, topic, attempt.id)
        assert enqueued is not None
        assert enqueued.completed_at is not None


def test_a_lost_answer_is_asked_about_at_once(session: Session) -> None:
    payment = unknown(session)

    attempt = making.attempt_of(session, payment)
    assert (attempt.state, attempt.ever_unknown) == (A.UNKNOWN, True)
    assert making.open_holds(session, payment) == payment.amount
    resolve = making.outbox_message(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.due_at <= session.info["now"]


def test_provably_not_sent_goes_again_under_the_same_reference(session: Session) -> None:
    payment = making.executing(session)
    reference = payment.originator_reference
    making.answered(session, payment, rails.NOT_SENT)

    attempt = making.attempt_of(session, payment)
    assert (attempt.state, attempt.ever_unknown) == (A.QUEUED, False)
    submit = making.outbox_message(session, "payments.submit", attempt.id)
    assert submit is not None
    assert submit.completed_at is None
    assert submit.due_at > session.info["now"]
    assert making.sending(session, payment).instruction.originator_reference == reference


def test_not_sent_is_bounded(session: Session) -> None:
    payment = making.executing(session)
    making.set_attempt(session, making.attempt_of(session, payment), tries=7)

    making.answered(session, payment, rails.NOT_SENT)

    assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)
    assert making.open_holds(session, payment) == 0


def test_a_refused_repeat_says_nothing_of_the_first_sending(session: Session) -> None:
    payment = unknown(session)
    making.set_attempt(session, making.attempt_of(session, payment), state=A.QUEUED)

    making.answered(session, payment, rails.REJECTED)

    attempt = making.attempt_of(session, payment)
    assert (payment.status, attempt.state) == (S.EXECUTING, A.UNKNOWN)
    assert making.open_holds(session, payment) == payment.amount


def test_a_repeat_that_never_left_leaves_it_unknown(session: Session) -> None:
    payment = unknown(session)
    making.set_attempt(session, making.attempt_of(session, payment), state=A.QUEUED)

    making.answered(session, payment, rails.NOT_SENT)

    assert making.attempt_of(session, payment).state is A.UNKNOWN


def test_an_answer_under_a_lost_claim_is_logged_and_moves_nothing(session: Session) -> None:
    payment = making.executing(session)
    claim = making.sending(session, payment)
    attempt = making.attempt_of(session, payment)
    making.set_attempt(session, attempt, state=A.UNKNOWN, claim=None, ever_unknown=True)

    verdict = payments.record_outcome(
        session, claim=claim, outcome=rails.REJECTED, now=session.info["now"]
    )

    assert verdict is ReportEffect.IGNORED
    assert payment.status is S.EXECUTING
    assert log_of(session, payment) == [("INITIATE", "rejected")]


def test_a_proof_under_a_lost_claim_is_a_fact(session: Session) -> None:
    payment = making.executing(session)
    claim = making.sending(session, payment)
    attempt = making.attempt_of(session, payment)
    making.set_attempt(session, attempt, state=A.UNKNOWN, claim=None, ever_unknown=True)

    payments.record_outcome(
        session, claim=claim, outcome=proven(session, payment), now=session.info["now"]
    )

    assert payment.status is S.SUCCESS


def test_a_claim_excludes_others_until_its_lease_ends(session: Session) -> None:
    payment = making.executing(session)
    attempt = making.attempt_of(session, payment)
    now = session.info["now"]

    first = payments.claim(session, attempt_id=attempt.id, now=now)
    second = payments.claim(session, attempt_id=attempt.id, now=now + timedelta(seconds=44))
    third = payments.claim(session, attempt_id=attempt.id, now=now + timedelta(seconds=46))

    assert first is not None
    assert second is None
    assert third is not None
    assert third.token != first.token
    with pytest.raises(payments.ClaimLost):
        payments.mark_sending(session, claim=first, now=now + timedelta(seconds=47))


def test_a_sending_that_was_cut_off_leaves_executing_with_a_word_on_record(
    session: Session,
) -> None:
    payment = making.executing(session)
    making.sending(session, payment)
    attempt = making.attempt_of(session, payment)
    long_after = session.info["now"] + timedelta(hours=1)

    payments.next_question(session, attempt_id=attempt.id, now=long_after)
    session.flush()

    assert payment.status is PaymentStatus.IN_DOUBT
    assert check_books(session) == []


def test_a_sending_that_was_cut_off_is_unknown_and_never_sent_again_by_itself(
    session: Session,
) -> None:
    payment = making.executing(session)
    making.sending(session, payment)
    attempt = making.attempt_of(session, payment)
    later = session.info["now"] + timedelta(seconds=46)

    assert payments.claim(session, attempt_id=attempt.id, now=later) is None

    assert (attempt.state, attempt.ever_unknown) == (A.UNKNOWN, True)
    resolve = making.outbox_message(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.due_at <= later


def test_a_sending_that_goes_on_is_left_alone(session: Session) -> None:
    payment = making.executing(session)
    making.sending(session, payment)
    attempt = making.attempt_of(session, payment)

    assert payments.claim(session, attempt_id=attempt.id, now=session.info["now"]) is None
    assert attempt.state is A.SENDING


def test_a_blocked_payment_is_not_sent(session: Session) -> None:
    payment = making.executing(session)
    payment.blocked_by_case_id = books.new_id()
    attempt = making.attempt_of(session, payment)

    assert payments.claim(session, attempt_id=attempt.id, now=session.info["now"]) is None
    submit = making.outbox_message(session, "payments.submit", attempt.id)
    assert submit is not None
    assert submit.completed_at is None


def test_an_attempt_keeps_its_address_when_the_account_moves(session: Session) -> None:
    payment = making.executing(session)
    attempt = making.attempt_of(session, payment)
    before = attempt.base_url
    account = session.get_one(ProviderAccount, attempt.provider_account_id)
    account.base_url = "https://elsewhere.example"
    session.flush()

    claim = payments.claim(session, attempt_id=attempt.id, now=session.info["now"])

    assert claim is not None
    assert claim.instruction.account.base_url == before


def test_the_database_keeps_an_attempts_instruction(session: Session) -> None:
    payment = making.executing(session)
    attempt = making.attempt_of(session, payment)
    for column, value in (
        ("originator_reference", "X"),
        ("amount", Decimal(1)),
        ("destination", "254700000000"),
        ("base_url", "https://elsewhere.example"),
    ):
        with pytest.raises(Exception, match="keeps its instruction"), session.begin_nested():
            session.execute(
                update(PaymentAttempt)
                .where(PaymentAttempt.id == attempt.id)
                .values({column: value})
            )
    assert facts.live_attempt(session, payment_id=payment.id) is not None
