"""Settlement: a proof changes attempt, payment and books in one transaction and lock order.

Decisions may be refused, facts never: a settlement posts below a floor, after a failure, and a
second time (then the payee owes it back). Every surprise opens a case.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session, object_session

from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import (
    LIVE,
    ON_THE_WAY,
    UNPAID,
    AttemptState,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.models.requisitions import RequisitionStatus
from pettycash.runtime import settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.rails import Method
from pettycash.services import requisitions
from pettycash.services.foundation import hooks, outbox
from pettycash.services.foundation.log_events import log_event
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.operations import cases
from pettycash.services.payments import facts, gateway_exchanges, restored
from pettycash.services.payments.facts import LockedAttempt

SUBMIT, RESOLVE = "payments.submit", "payments.resolve"
"""The two outbox messages of an attempt; both have its id as key."""

WAITING = frozenset({AttemptState.QUEUED, AttemptState.CLAIMED})
"""States in which nothing (more) of an attempt has left."""

BAD_NEWS = frozenset({AttemptState.UNKNOWN, AttemptState.REJECTED})

CLOCK_TOLERANCE = timedelta(days=1)
"""A rail's clock is believed within this; what lies outside is dated when we learned it."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A proof that money moved, from the rail, a statement or two people."""

    amount: Decimal
    provider_reference: str | None
    occurred_at: datetime | None
    code: str
    message: str
    fee: Decimal | None = None
    """None: not proven, which is not the same as none."""
    fee_evidence: str | None = None
    by_people: bool = False
    """True: two people settled a case with it, so what it contradicts needs no further one."""


def settle(session: Session, *, locked: LockedAttempt, proof: Proof, now: datetime) -> None:
    """Record that an attempt moved money, whatever the payment's state says by now.

    A payment that is on its way or had failed becomes a success. Where another attempt has paid it
    already, or another payment in its place, or it or its requisition was cancelled or closed, this
    is a duplicate payment: recoverable from the payee.
    """
    payment, attempt = locked.payment, locked.attempt
    if attempt.state is AttemptState.SETTLED:
        return
    occurred_at = _dated(locked, proof, now)
    holds = [facts.hold_source(attempt.id)] if attempt.state in LIVE else []
    before = payment.status
    pays = before in ON_THE_WAY or (
        before is PaymentStatus.FAILED and _leaves_room(session, locked=locked)
    )
    if pays:
        entry = posting_rules.settlement(
            session,
            payment=payment,
            requisition=locked.requisition,
            occurred_at=occurred_at,
            amount=proof.amount,
            execution_id=attempt.execution_id,
        )
    else:
        entry = posting_rules.duplicate_payment(
            session,
            payment=payment,
            amount=proof.amount,
            occurred_at=occurred_at,
            source=f"attempt:{attempt.id}:second",
            execution_id=attempt.execution_id,
        )
    attempt.settled_amount = proof.amount
    attempt.provider_reference = proof.provider_reference
    attempt.outcome_code, attempt.outcome_message = proof.code, proof.message
    entries = [entry, *_fee_entries(session, locked=locked, proof=proof, occurred_at=occurred_at)]
    _move(locked, AttemptState.SETTLED, now)
    _after_sending(session, locked=locked, fee_known=attempt.fee is not None, now=now)
    if pays:
        _paid(locked, proof, occurred_at=occurred_at, now=now)
        if not holds and _next_may_have_left(session, payment):
            contradict(
                session,
                payment=payment,
                summary=f"{payment.number} was proven paid, and its next attempt may be paid too.",
                evidence=_evidence(locked, proof),
            )
        elif before is PaymentStatus.FAILED and not proof.by_people:
            contradict(
                session,
                payment=payment,
                summary=f"{payment.number} was proven paid after it had failed.",
                evidence=_evidence(locked, proof),
            )
    else:
        payment.failure_confirmed = True
        contradict(
            session,
            payment=payment,
            summary=f"{payment.number} moved money twice; the payee owes it back.",
            evidence=_evidence(locked, proof),
        )
    if attempt.asks_first:
        restored.close_told(session, attempt=attempt, now=now)
    _after_decision(session, payment=payment, now=now)
    crash_point("settlement.posting")
    # Last of what is written: everybody who pays from this store, or for this category, waits for
    # the accounts' locks until the commit.
    fulfils = posting.Fulfilled(topic=SUBMIT, keys=[attempt.id])
    posting.post(session, entries, close_holds=holds, fulfils=fulfils)
    crash_point("settlement.posted")
    if pays:
        # Its hold lies on an account that is locked by now, in the order of all accounts.
        _withdraw_unsent(session, payment=payment, locked=locked, now=now)
    (hooks.on_settled if pays else hooks.on_duplicate)(session, payment, now)
    crash_point("settlement.settled")


def fail(
    session: Session,
    *,
    locked: LockedAttempt,
    code: str,
    message: str,
    confirmed: bool,
    now: datetime,
) -> None:
    """Record that an attempt moved no money: its hold is void, the payment has failed.

    `confirmed` is False where a callback alone says so: until the rail's own answer, nothing new is
    released and nothing else is paid instead.
    """
    payment, attempt = locked.payment, locked.attempt
    assert attempt.state in LIVE, "only a live attempt fails"
    posting.void_hold(session, source=facts.hold_source(attempt.id))
    crash_point("settlement.voided")
    attempt.outcome_code, attempt.outcome_message = code, message
    attempt.failure_confirmed_at = now if confirmed else None
    _move(locked, AttemptState.REJECTED, now)
    if payment.status in ON_THE_WAY:
        payment.last_error = f"{code}: {message}"[:500]
        payment.gateway_status = AttemptState.REJECTED.value
        payment.failure_confirmed = confirmed and not _is_unconfirmed(session, locked)
        payment.executor_id = None
        payment.move_to(PaymentStatus.FAILED, at=now)
    outbox.complete(session, topic=SUBMIT, key=attempt.id)
    if confirmed:
        outbox.complete(session, topic=RESOLVE, key=attempt.id)
        _end_doubt(session, payment=payment, now=now)
    else:
        ask_at_once(session, locked=locked, now=now)
    session.flush()  # progress counts what stands in the table
    requisitions.payment_progress(session, requisition_id=payment.requisition_id, now=now)
    hooks.on_failed(session, payment, now)
    crash_point("settlement.failed")


def call_unpaid(session: Session, *, locked: LockedAttempt, message: str, now: datetime) -> None:
    """Record that two people say that an attempt was not paid, which the rail has not said.

    It goes on being asked about: it may be tried again a day later, or as soon as the rail denies
    it. Where no rail can be queried, their decision is final.
    """
    payment, attempt = locked.payment, locked.attempt
    can_be_asked = attempt.provider_account_id is not None
    if attempt.state in LIVE:
        fail(
            session,
            locked=locked,
            code=gateway_exchanges.NOT_PAID,
            message=message,
            confirmed=not can_be_asked,
            now=now,
        )
    elif can_be_asked:
        ask_at_once(session, locked=locked, now=now)
    attempt.called_unpaid_at = now
    _end_doubt(session, payment=payment, now=now)


def reverse(session: Session, *, locked: LockedAttempt, proof: Proof, now: datetime) -> None:
    """Record that a paid payment's money came back, or never left: a new entry of that day.

    The attempt stays settled and its fee stands; the requisition may be paid again.
    """
    payment = locked.payment
    occurred_at = _dated(locked, proof, now)
    entry = posting_rules.returned(
        session,
        payment=payment,
        amount=proof.amount,
        occurred_at=occurred_at,
        source=f"payment:{payment.id}:returned",
        execution_id=locked.attempt.execution_id,
    )
    payment.return_reference = proof.provider_reference
    payment.gateway_status = PaymentStatus.REVERSED.value
    payment.last_error = f"{proof.code}: {proof.message}"[:500]
    payment.move_to(PaymentStatus.REVERSED, at=now)
    _after_decision(session, payment=payment, now=now)
    posting.post(session, [entry])
    crash_point("settlement.returned")
    hooks.on_returned(session, payment, now)
    crash_point("settlement.reversed")


def confirm_failure(
    session: Session, *, locked: LockedAttempt, now: datetime, asks_on: bool = False
) -> None:
    """The rail's own answer says what a callback or people had said: it may be tried again.

    `asks_on`: it has not, but their decision is old enough, and queries go on.
    """
    payment, attempt = locked.payment, locked.attempt
    attempt.failure_confirmed_at = now
    if payment.status in UNPAID:
        payment.failure_confirmed = not _is_unconfirmed(session, locked)
        payment.version += 1
        _end_doubt(session, payment=payment, now=now)
    if not asks_on:
        outbox.complete(session, topic=RESOLVE, key=attempt.id)
    session.flush()  # progress counts what stands in the table
    requisitions.payment_progress(session, requisition_id=payment.requisition_id, now=now)
    crash_point("settlement.confirmed")


def _is_unconfirmed(session: Session, locked: LockedAttempt) -> bool:
    """Whether another attempt of the payment counts as failed without the rail's own report."""
    other = session.execute(
        select(PaymentAttempt.id)
        .where(
            PaymentAttempt.payment_id == locked.payment.id,
            PaymentAttempt.id != locked.attempt.id,
            PaymentAttempt.state == AttemptState.REJECTED,
            PaymentAttempt.failure_confirmed_at.is_(None),
        )
        .limit(1)
    )
    return other.first() is not None


def unconfirm_failure(session: Session, *, locked: LockedAttempt, now: datetime) -> None:
    """The rail's answer to a sending allows for payment although it counts as failed.

    Until the rail itself says what became of it, nothing new is released: of this payment, or of
    one made in its place.
    """
    payment, attempt = locked.payment, locked.attempt
    attempt.failure_confirmed_at = attempt.called_unpaid_at = None
    if payment.status in UNPAID:
        payment.failure_confirmed = False
        payment.version += 1
    ask_at_once(session, locked=locked, now=now)


def learn_fee(
    session: Session, *, locked: LockedAttempt, fee: Decimal, evidence: str, now: datetime
) -> None:
    """Post a fee that was proven after the settlement; a second proof of it changes nothing."""
    attempt = locked.attempt
    if attempt.fee is not None:
        return
    proof = Proof(
        amount=attempt.settled_amount or attempt.amount,
        provider_reference=attempt.provider_reference,
        occurred_at=locked.payment.paid_at,
        code="",
        message="",
        fee=fee,
        fee_evidence=evidence,
    )
    entries = _fee_entries(
        session, locked=locked, proof=proof, occurred_at=_dated(locked, proof, now)
    )
    _after_decision(session, payment=locked.payment, now=now)
    fulfils = posting.Fulfilled(topic=RESOLVE, keys=[attempt.id])
    if entries:
        posting.post(session, entries, fulfils=fulfils)
        hooks.on_charged(session, locked.payment, now)
    else:
        outbox.complete(session, topic=RESOLVE, key=attempt.id)
    crash_point("settlement.fee_learnt")


def contradict(
    session: Session, *, payment: Payment, summary: str, evidence: dict[str, object]
) -> None:
    """Two reports of one payment contradict each other: no attempt until two people decide."""
    case = cases.open_case(
        session,
        kind=CaseKind.CONTRADICTION,
        object_type="payment",
        object_id=payment.id,
        summary=summary,
        evidence=evidence,
        severity=Severity.SEVERE,
    )
    session.flush()  # the payment refers to the case
    payment.blocked_by_case_id = case.id
    payment.version += 1


def ask_at_once(session: Session, *, locked: LockedAttempt, now: datetime) -> None:
    """Owe the question to the rail now, whatever its next turn was."""
    if locked.attempt.state not in LIVE:
        locked.attempt.queries = 0
    locked.attempt.next_query_at = now
    lane = locked.attempt.provider_account_id
    outbox.enqueue(session, topic=RESOLVE, key=locked.attempt.id, lane=lane)


def ask_soon(session: Session, *, locked: LockedAttempt, now: datetime) -> None:
    """Owe the question, but let the answer to the one before arrive first.

    Asked sooner, that answer would be one to no question of ours, and asked about in its turn: each
    answer a question too late, for ever.
    """
    attempt = locked.attempt
    pause = timedelta(seconds=settings.current().query_first_seconds)
    if attempt.last_query_at is None or attempt.last_query_at + pause <= now:
        ask_at_once(session, locked=locked, now=now)
        return
    due_at = attempt.last_query_at + pause
    attempt.next_query_at = min(attempt.next_query_at or due_at, due_at)
    lane = attempt.provider_account_id
    outbox.enqueue(session, topic=RESOLVE, key=attempt.id, due_at=attempt.next_query_at, lane=lane)


def move(locked: LockedAttempt, state: AttemptState, now: datetime) -> None:
    """Bring an attempt to another state that decides nothing."""
    _move(locked, state, now)
    if locked.payment.status in ON_THE_WAY:
        locked.payment.gateway_status = state.value
        locked.payment.version += 1


def _move(locked: LockedAttempt, state: AttemptState, now: datetime) -> None:
    locked.attempt.state = state
    locked.attempt.state_changed_at = now
    _log(locked.attempt)


def _log(attempt: PaymentAttempt) -> None:
    session = object_session(attempt)
    assert session is not None, "an attempt that moves is locked"
    log_event(
        session,
        f"attempt.{attempt.state.value}",
        level=logging.WARNING if attempt.state in BAD_NEWS else logging.INFO,
        payment_id=attempt.payment_id,
        attempt_id=attempt.id,
        code=attempt.outcome_code,
    )


def _paid(locked: LockedAttempt, proof: Proof, *, occurred_at: datetime, now: datetime) -> None:
    payment = locked.payment
    payment.paid_at = occurred_at
    payment.paid_amount = proof.amount
    payment.provider_reference = proof.provider_reference
    payment.originator_reference = locked.attempt.originator_reference
    payment.gateway_status = AttemptState.SETTLED.value
    payment.failure_confirmed = True
    payment.last_error = None
    payment.move_to(PaymentStatus.SUCCESS, at=now)


def _leaves_room(session: Session, *, locked: LockedAttempt) -> bool:
    """Whether nothing else has paid what a failed payment was for, and it is still to be paid."""
    requisition, payment = locked.requisition, locked.payment
    if requisition.status is not RequisitionStatus.IN_PAYMENT:
        return False
    paid = session.execute(
        select(
            func.coalesce(func.sum(func.coalesce(Payment.paid_amount, Payment.amount)), 0)
        ).where(
            Payment.requisition_id == requisition.id,
            Payment.id != payment.id,
            Payment.status == PaymentStatus.SUCCESS,
        )
    ).scalar_one()
    return Decimal(paid) + payment.amount <= (requisition.approved_amount or Decimal(0))


def _next_may_have_left(session: Session, payment: Payment) -> bool:
    """Whether a later attempt is under way, which no proof of an earlier one takes back."""
    other = facts.live_attempt(session, payment_id=payment.id)
    return other is not None and (
        other.state not in WAITING or other.ever_unknown or restored.may_have_left(other)
    )


def _withdraw_unsent(
    session: Session, *, payment: Payment, locked: LockedAttempt, now: datetime
) -> None:
    """Another attempt paid it: one that waits to be sent (again) is taken back before it is."""
    session.flush()  # the attempt just settled is not live any more
    other = facts.live_attempt(session, payment_id=payment.id)
    if other is None or other.state not in WAITING:
        return
    other.state_changed_at = now
    other.claim = None
    outbox.complete(session, topic=SUBMIT, key=other.id)
    if other.ever_unknown or restored.may_have_left(other):
        other.state = AttemptState.UNKNOWN
        _log(other)
        return
    posting.void_hold(session, source=facts.hold_source(other.id))
    other.state = AttemptState.REJECTED
    other.failure_confirmed_at = now
    other.outcome_code = "local.withdrawn"
    other.outcome_message = f"Attempt {locked.attempt.number} was proven paid."
    _log(other)
    outbox.complete(session, topic=RESOLVE, key=other.id)


def _after_sending(
    session: Session, *, locked: LockedAttempt, fee_known: bool, now: datetime
) -> None:
    attempt = locked.attempt
    if fee_known or locked.payment.method is Method.CASH:
        outbox.complete(session, topic=RESOLVE, key=attempt.id)
        return
    # The rail's own answer names the fee, which the callback does not.
    due_at = now + timedelta(seconds=settings.current().query_first_seconds)
    attempt.next_query_at = due_at
    attempt.queries = 0
    lane = attempt.provider_account_id
    outbox.enqueue_at(session, topic=RESOLVE, key=attempt.id, due_at=due_at, lane=lane)


def _after_decision(session: Session, *, payment: Payment, now: datetime) -> None:
    _end_doubt(session, payment=payment, now=now)
    session.flush()  # progress counts what stands in the table
    requisitions.payment_progress(session, requisition_id=payment.requisition_id, now=now)


def _end_doubt(session: Session, *, payment: Payment, now: datetime) -> None:
    cases.close(
        session,
        kind=CaseKind.IN_DOUBT,
        object_type="payment",
        object_id=payment.id,
        resolved_by=None,
        note="The rail has answered.",
        now=now,
    )


def _fee_entries(
    session: Session, *, locked: LockedAttempt, proof: Proof, occurred_at: datetime
) -> list[posting.Entry]:
    """The entry of a fee that is proven for the first time; none for a fee of nothing."""
    attempt = locked.attempt
    if proof.fee is None or attempt.fee is not None:
        return []
    attempt.fee = proof.fee
    attempt.fee_evidence = proof.fee_evidence
    if proof.fee == 0:
        return []
    return [
        posting_rules.fee(
            session,
            payment=locked.payment,
            fee=proof.fee,
            occurred_at=occurred_at,
            source=f"attempt:{attempt.id}:fee",
            execution_id=attempt.execution_id,
        )
    ]


def first_possible(locked: LockedAttempt) -> datetime:
    """Before this the rail can't have paid an attempt: nothing of it had left."""
    attempt = locked.attempt
    # What asks first may have been sent in a time that a restore has lost.
    since = locked.requisition.created_at if attempt.asks_first else attempt.first_sent_at
    return since or attempt.created_at


def _dated(locked: LockedAttempt, proof: Proof, now: datetime) -> datetime:
    """When it happened in the world, if the rail's clock can be believed."""
    if proof.occurred_at is None:
        return now
    earliest = first_possible(locked) - CLOCK_TOLERANCE
    return proof.occurred_at if earliest <= proof.occurred_at <= now + CLOCK_TOLERANCE else now


def _evidence(locked: LockedAttempt, proof: Proof) -> dict[str, object]:
    return {
        "attempt": locked.attempt.number,
        "originator_reference": locked.attempt.originator_reference,
        "provider_reference": proof.provider_reference,
        "amount": str(proof.amount),
        "code": proof.code,
    }
