"""What answers and callbacks do to payment and books: one effect, and nothing silently."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash import errors
from pettycash.gateways.base import Outcome, OutcomeKind
from pettycash.models.attempts import AttemptState, PaymentAttempt, PaymentTransaction
from pettycash.models.funds import ProviderAccount, Store
from pettycash.models.ledger import AccountKind
from pettycash.models.payments import TRANSITIONS, IllegalTransition, Payment, PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services import payments
from pettycash.services.payments import facts, rules
from pettycash.services.payments.evidence import Source, Verdict
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import acting

S, A, K = PaymentStatus, AttemptState, OutcomeKind


@pytest.fixture(autouse=True)
def rail(session: Session) -> rails.FakeGateway:
    """A scripted rail, wired after the session's process was composed."""
    gateway = rails.FakeGateway()
    rails.serve(gateway)
    return gateway


def proven(session: Session, payment: Payment, **facts_: object) -> Outcome:
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    return rails.proof(instruction, **facts_)


def store_balance(session: Session, payment: Payment) -> tuple[Decimal, Decimal, int]:
    return books.balance(session, session.get_one(Store, payment.store_id).account_id)


def log_of(session: Session, payment: Payment) -> list[tuple[str, str]]:
    rows = session.execute(
        select(PaymentTransaction.request_type, PaymentTransaction.status)
        .where(PaymentTransaction.payment_id == payment.id)
        .order_by(PaymentTransaction.id)
    )
    return [(row.request_type.value, row.status) for row in rows]


def accepted(session: Session) -> Payment:
    payment = making.executing(session)
    making.answered(session, payment, rails.ACCEPTED)
    return payment


def unknown(session: Session) -> Payment:
    payment = making.executing(session)
    making.answered(session, payment, rails.LOST)
    return payment


def failed(session: Session) -> Payment:
    payment = making.executing(session)
    making.answered(session, payment, rails.REJECTED)
    return payment


# the machine


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


# the answer to the sending


def test_accepted_is_no_proof(session: Session) -> None:
    payment = accepted(session)

    attempt = making.attempt_of(session, payment)
    assert (payment.status, attempt.state) == (S.EXECUTING, A.ACCEPTED)
    assert attempt.conversation_id == "AG_1"
    assert making.entries(session, payment) == []
    assert making.open_holds(session, payment) == payment.amount
    submit = making.obligation(session, "payments.submit", attempt.id)
    assert submit is not None
    assert submit.done_at is not None


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

    assert verdict is Verdict.SETTLED
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
        owed = making.obligation(session, topic, attempt.id)
        assert owed is not None
        assert owed.done_at is not None


def test_a_lost_answer_is_asked_about_at_once(session: Session) -> None:
    payment = unknown(session)

    attempt = making.attempt_of(session, payment)
    assert (attempt.state, attempt.ever_unknown) == (A.UNKNOWN, True)
    assert making.open_holds(session, payment) == payment.amount
    resolve = making.obligation(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.due_at <= session.info["now"]


def test_provably_not_sent_goes_again_under_the_same_reference(session: Session) -> None:
    payment = making.executing(session)
    reference = payment.originator_reference
    making.answered(session, payment, rails.NOT_SENT)

    attempt = making.attempt_of(session, payment)
    assert (attempt.state, attempt.ever_unknown) == (A.QUEUED, False)
    submit = making.obligation(session, "payments.submit", attempt.id)
    assert submit is not None
    assert submit.done_at is None
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

    assert verdict is Verdict.IGNORED
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


# callbacks


def test_the_same_proof_twice_has_one_effect(session: Session) -> None:
    payment = accepted(session)
    word = proven(session, payment)
    making.said(session, payment, word, Source.CALLBACK)
    before = store_balance(session, payment)

    again = [making.said(session, payment, word, source) for source in Source]

    assert set(again) == {Verdict.IGNORED}
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

    assert verdict is Verdict.ASKED
    assert payment.status is S.EXECUTING


def test_the_rails_own_id_matches_like_ours(session: Session) -> None:
    payment = accepted(session)
    word = proven(session, payment, originator_reference=None, conversation_id="AG_1")

    assert making.said(session, payment, word, Source.CALLBACK) is Verdict.SETTLED


@pytest.mark.parametrize(
    "lie",
    [{"amount": Decimal("15000.00")}, {"destination": "254799999999"}],
)
def test_another_amount_or_payee_is_never_taken(session: Session, lie: dict[str, object]) -> None:
    payment = accepted(session)

    verdict = making.said(session, payment, proven(session, payment, **lie), Source.CALLBACK)

    assert verdict is Verdict.CASE
    assert payment.status is S.EXECUTING
    assert making.entries(session, payment) == []
    assert making.open_cases(session, payment.id) == ["contradiction"]
    attempt = making.attempt_of(session, payment)
    resolve = making.obligation(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.due_at <= session.info["now"]


def test_a_failure_by_callback_is_confirmed_by_the_rail_before_anything_else(
    session: Session,
) -> None:
    payment = accepted(session)
    word = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)

    assert making.said(session, payment, word, Source.CALLBACK) is Verdict.REJECTED

    assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
    with pytest.raises(rules.FailureUnconfirmed):
        making.code_for(session, payment)
    with pytest.raises(rules.FailureUnconfirmed):
        payments.cancel(
            session,
            payment_id=payment.id,
            actor=acting(session, "treasury"),
            now=session.info["now"],
        )
    with pytest.raises(rules.FailureUnconfirmed):
        payments.create(
            session,
            requisition_id=payment.requisition_id,
            amount=None,
            actor=acting(session, "treasury"),
            now=session.info["now"],
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

    assert verdict is Verdict.ASKED
    assert payment.status is S.EXECUTING


def test_a_forged_failure_is_undone_by_the_rails_own_word(session: Session) -> None:
    payment = accepted(session)
    forged = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)
    making.said(session, payment, forged, Source.CALLBACK)
    truth = proven(session, payment)

    by_callback = making.said(session, payment, truth, Source.CALLBACK)
    assert (by_callback, payment.status) == (Verdict.CASE, S.FAILED)
    by_query = making.said(session, payment, truth, Source.QUERY_CALLBACK)

    assert (by_query, payment.status) == (Verdict.SETTLED, S.SUCCESS)
    assert making.entries(session, payment) == ["expense"]
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_late_proof_after_a_failure_posts_and_blocks(session: Session) -> None:
    payment = failed(session)
    before = store_balance(session, payment)

    verdict = making.said(session, payment, proven(session, payment), Source.QUERY)

    assert verdict is Verdict.SETTLED
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


def test_a_second_movement_is_recoverable_from_the_payee(session: Session) -> None:
    payment = failed(session)
    first = making.attempt_of(session, payment)
    late = proven(session, payment, receipt="LATE123456")
    making.released(session, payment)
    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    assert payment.status is S.SUCCESS
    owed = books.account(session, AccountKind.RECOVERABLE)

    making.said(session, payment, late, Source.QUERY, attempt=first)

    assert making.entries(session, payment) == ["expense", "second_movement"]
    assert books.balance(session, owed.id)[0] == payment.amount
    assert payment.provider_reference == "RKT1234567"
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_proof_of_a_cancelled_payment_is_booked_too(session: Session) -> None:
    payment = failed(session)
    payments.cancel(
        session, payment_id=payment.id, actor=acting(session, "treasury"), now=session.info["now"]
    )

    making.said(session, payment, proven(session, payment), Source.QUERY)

    assert payment.status is S.CANCELLED
    assert making.entries(session, payment) == ["second_movement"]
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_a_failure_after_a_success_changes_nothing_and_is_told(session: Session) -> None:
    payment = accepted(session)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    no = rails.outcome(K.REJECTED, originator_reference=payment.originator_reference)

    verdicts = {making.said(session, payment, no, source) for source in Source}

    assert verdicts == {Verdict.CASE}
    assert payment.status is S.SUCCESS
    assert making.open_cases(session, payment.id) == ["contradiction"]


def test_two_receipts_for_one_reference_are_told(session: Session) -> None:
    payment = accepted(session)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)

    verdict = making.said(
        session, payment, proven(session, payment, receipt="OTHER12345"), Source.QUERY
    )

    assert verdict is Verdict.CASE
    assert making.entries(session, payment) == ["expense"]


def test_one_receipt_does_not_prove_two_payments(session: Session) -> None:
    first = accepted(session)
    making.said(session, first, proven(session, first), Source.CALLBACK)
    second = accepted(session)

    for source in (Source.CALLBACK, Source.QUERY):
        assert making.said(session, second, proven(session, second), source) is Verdict.CASE

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

    assert verdict is Verdict.CASE
    assert payment.status is S.EXECUTING
    assert making.open_holds(session, payment) == payment.amount


def test_an_answer_by_callback_that_names_nobody_proves_nothing(session: Session) -> None:
    payment = making.executing(session)
    making.answered(session, payment, rails.outcome(K.ACCEPTED))
    nobody = proven(session, payment, originator_reference=None, destination=None)

    assert making.said(session, payment, nobody, Source.QUERY_CALLBACK) is Verdict.ASKED
    assert payment.status is S.EXECUTING


def test_a_callback_about_other_money_is_unmatched(session: Session) -> None:
    payment = accepted(session)
    callback = books.new_id()
    strange = rails.outcome(K.SETTLED, conversation_id="AG_other", amount=Decimal(5))

    verdict = making.said(session, payment, strange, Source.CALLBACK, callback_id=callback)

    assert verdict is Verdict.CASE
    assert making.open_cases(session, callback) == ["unmatched_callback"]
    assert payment.blocked_by_case_id is None


def test_a_time_out_notice_says_nothing_of_the_money(session: Session) -> None:
    payment = accepted(session)

    verdict = making.said(session, payment, rails.LOST, Source.NOTICE)

    attempt = making.attempt_of(session, payment)
    assert verdict is Verdict.ASKED
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


# fees


def test_a_fee_posts_once_it_is_proven(session: Session) -> None:
    payment = accepted(session)
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    attempt = making.attempt_of(session, payment)
    assert attempt.fee is None
    resolve = making.obligation(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.done_at is None, "the rail is asked for the fee"

    for _ in range(2):
        making.said(session, payment, proven(session, payment, fee=Decimal("22.40")), Source.QUERY)

    charges = books.account(
        session, AccountKind.PROVIDER_CHARGES, provider_account_id=payment.provider_account_id
    )
    assert making.entries(session, payment) == ["expense", "fee"]
    assert books.balance(session, charges.id)[0] == Decimal("-22.40")
    assert attempt.fee == Decimal("22.40")
    resolve = making.obligation(session, "payments.resolve", attempt.id)
    assert resolve is not None
    assert resolve.done_at is not None


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


# asking


def asked(session: Session, payment: Payment, at: datetime) -> bool:
    attempt = making.attempt_of(session, payment)
    return payments.next_question(session, attempt_id=attempt.id, now=at) is not None


def test_questions_come_at_growing_intervals(session: Session) -> None:
    payment = unknown(session)
    now = session.info["now"]

    times = [
        second
        for second in range(0, 400, 5)
        if asked(session, payment, now + timedelta(seconds=second))
    ]

    assert times == [0, 20, 60, 140, 300]


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


# claims


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


def test_a_sending_that_was_cut_off_is_unknown_and_never_sent_again_by_itself(
    session: Session,
) -> None:
    payment = making.executing(session)
    making.sending(session, payment)
    attempt = making.attempt_of(session, payment)
    later = session.info["now"] + timedelta(seconds=46)

    assert payments.claim(session, attempt_id=attempt.id, now=later) is None

    assert (attempt.state, attempt.ever_unknown) == (A.UNKNOWN, True)
    resolve = making.obligation(session, "payments.resolve", attempt.id)
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
    submit = making.obligation(session, "payments.submit", attempt.id)
    assert submit is not None
    assert submit.done_at is None


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
