"""Asking a rail what became of a payment: at once, then at growing intervals, until it is proven.

`payments.resolve` is enqueued for every attempt from its release to its proof. Past its decide-by
time the payment is in doubt, later still a case; where the rail refuses a second payment under one
reference, the same instruction is sent again. Never under a new reference (domain.md §6).
"""

import logging
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.gateways.base import Asked, Outcome, PayoutInstruction
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import (
    LIVE,
    ON_THE_WAY,
    AttemptState,
    GatewayExchangeType,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.runtime import db, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.rails import Rail
from pettycash.services.foundation import jitter, outbox, security_log
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.log_events import log_event
from pettycash.services.operations import cases, pauses
from pettycash.services.payments import (
    credential_refusals,
    facts,
    gateway_exchanges,
    instructions,
    rail_slots,
    restored,
    results,
    rules,
    settlement,
)
from pettycash.services.payments.claiming import is_too_late, mark_unknown
from pettycash.services.payments.facts import LockedAttempt
from pettycash.services.payments.results import RailReport, ReportEffect, Source
from pettycash.services.payments.rules import RequisitionNotPayable
from pettycash.services.payments.settlement import RESOLVE, SUBMIT

LEAVING = frozenset({AttemptState.CLAIMED, AttemptState.SENDING})
"""States in which the instruction leaves, or is about to."""

QUESTIONS_AFTER_THE_END = 100
"""How often the rail is asked about a confirmed failure that something speaks against: for half a
day, by the usual intervals."""

TRIED_AGAIN_AFTER = timedelta(days=1)
"""How long before a further attempt, after two people called one unpaid and the rail is silent."""

ASKED_DAILY, ASKED_ON = timedelta(days=1), timedelta(days=30)
"""How often and how long the rail is asked about what two people called unpaid."""

UNSENT_LOOKS = timedelta(hours=1)
"""How often an attempt that waits to be sent is looked at, to no purpose."""


class NothingToAsk(RequisitionNotPayable):
    """This payment was never sent to a rail, so there is nothing to query."""

    code = "payment.nothing_to_ask"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question to the rail, asked outside any transaction."""

    token: UUID
    """Holds the account's slot until the answer is recorded."""
    attempt_id: UUID
    rail: Rail
    instruction: PayoutInstruction
    conversation_id: str | None
    provider_reference: str | None
    asked_at: datetime


def next_question(session: Session, *, attempt_id: UUID, now: datetime) -> Question | None:
    """Do what time asks of an attempt, and say what the rail shall be asked now, if anything."""
    locked = facts.lock_attempt(session, attempt_id=attempt_id)
    if locked is None or locked.attempt.provider_account_id is None:
        outbox.complete(session, topic=RESOLVE, key=attempt_id)
        return None
    attempt = locked.attempt
    _notice_silence(session, locked, now)
    # Where the rail has not, only a callback says that money moved; anybody may have sent that.
    answered = attempt.state is AttemptState.SETTLED and gateway_exchanges.has_answered(
        session, attempt
    )
    if _stands_unpaid(attempt) and _tried_again_at(attempt) <= now:
        settlement.confirm_failure(session, locked=locked, now=now, asks_on=True)
    if not _is_open(locked, answered=answered, now=now):
        _notice_no_answer(session, locked)
        outbox.complete(session, topic=RESOLVE, key=attempt_id)
        return None
    _notice_time(session, locked, now)
    if not restored.may_have_left(attempt):
        # Nothing has left, so nothing can be asked; the sending has its own message, and whoever
        # claims it has this looked at in time.
        if attempt.state is AttemptState.QUEUED:
            outbox.reschedule(session, topic=RESOLVE, key=attempt.id, due_at=now + UNSENT_LOOKS)
        else:
            _reschedule_query(session, locked, now)
        return None
    if attempt.next_query_at is not None and attempt.next_query_at > now:
        _reschedule_query(session, locked, now)
        return None
    if attempt.state in LEAVING and not restored.must_ask(attempt):
        # What the rail says while the instruction is on its way to it is about what came before.
        _reschedule_query(session, locked, now)
        return None
    token = uuid4()
    instruction = instructions.of(session, attempt)
    if credential_refusals.is_stopped(session, account_id=instruction.account.id):
        # The rail would refuse the question too, and count it: nothing goes over the account.
        _reschedule_query(session, locked, now, at_the_latest=now + UNSENT_LOOKS)
        return None
    if not rail_slots.acquire(session, account_id=instruction.account.id, holder=token, now=now):
        outbox.reschedule(session, topic=RESOLVE, key=attempt.id, due_at=rail_slots.next_look(now))
        return None
    _send_again(session, locked, now)
    reference = restored.reference_to_ask(session, locked)
    instruction = replace(instruction, originator_reference=reference)
    attempt.queries += 1
    attempt.last_query_at = now
    attempt.asked_reference = None
    is_rejected = attempt.state is AttemptState.REJECTED
    is_asked_on = is_rejected and attempt.called_unpaid_at is not None
    attempt.next_query_at = now + (ASKED_DAILY if is_asked_on else _interval(attempt.queries))
    _reschedule_query(session, locked, now)
    return Question(
        token=token,
        attempt_id=attempt.id,
        rail=locked.payment.method,
        instruction=instruction,
        conversation_id=attempt.conversation_id,
        # A receipt that only a callback named may be nobody's: asked by that, the rail would know
        # of nothing for ever.
        provider_reference=attempt.provider_reference if answered else None,
        asked_at=now,
    )


def record_answer(
    session: Session, *, question: Question, answer: Outcome | Asked, now: datetime
) -> ReportEffect:
    """Record what the rail said; `Asked` means that its answer will be a callback."""
    locked = facts.lock_attempt(session, attempt_id=question.attempt_id)
    assert locked is not None, "attempts are never deleted"
    account_id = question.instruction.account.id
    refused = rail_slots.free(session, account_id=account_id, holder=question.token)
    credential_refusals.weigh(
        session, account_id=account_id, outcome=answer, refused_before=refused
    )
    if isinstance(answer, Asked):
        gateway_exchanges.log(
            session, payment=locked.payment, attempt=locked.attempt, outcome=answer
        )
        if locked.attempt.last_query_at == question.asked_at:
            locked.attempt.asked_reference = answer.reference
        return ReportEffect.ASKED
    gateway = registry.for_rail(question.rail)
    attempt, asked_about = locked.attempt, question.instruction.originator_reference
    own = replace(question.instruction, originator_reference=attempt.originator_reference)
    return results.apply(
        session,
        locked=locked,
        report=RailReport(
            outcome=answer,
            agreement=answer.agreement(own, conversation_id=attempt.conversation_id),
            source=Source.QUERY,
            confirms_failure_by_query=gateway.confirms_failure_by_query,
            # Meanwhile another reference may have its turn, which this says nothing of.
            asked_at=question.asked_at
            if asked_about == restored.reference_to_ask(session, locked)
            else None,
        ),
        now=now,
    )


def requery(
    session: Session, *, payment_id: UUID, actor: Actor | None, now: datetime
) -> PaymentAttempt:
    """Ask the rail now, because a person wants to know; no actor: an operator on the host.

    Raises:
        PaymentNotFound: none such within scope.
        NothingToAsk: nothing was sent to a rail.
    """
    requisition, payment = facts.locked(session, payment_id=payment_id, actor=actor)
    attempt = attempt_to_ask(session, payment)
    locked = facts.LockedAttempt(requisition=requisition, payment=payment, attempt=attempt)
    settlement.ask_at_once(session, locked=locked, now=now)
    security_log.record(
        session,
        event="payment.requeried",
        outcome="ok",
        detail={"payment_id": str(payment.id)},
        actor=actor,
    )
    return attempt


def attempt_to_ask(session: Session, payment: Payment) -> PaymentAttempt:
    """The attempt of a payment that a rail can be asked about.

    Raises:
        NothingToAsk: nothing was sent to a rail.
    """
    attempt = facts.newest_attempt(session, payment_id=payment.id)
    if attempt is None or not restored.may_have_left(attempt):
        raise NothingToAsk
    return attempt


def ask_within(
    session: Session, *, attempt_id: UUID, longest: timedelta, now: datetime
) -> Payment | None:
    """Have the rail asked about an attempt whose end is open, whatever its next turn was.

    At some moment before `longest` is over, so that many questions are no storm. Locks requisition,
    payment and attempt. None where it was decided in the meantime.
    """
    locked = facts.lock_attempt(session, attempt_id=attempt_id)
    if locked is None or locked.attempt.state not in LIVE:
        return None
    attempt = locked.attempt
    due_at = now + longest * random.random()
    attempt.next_query_at = min(attempt.next_query_at or due_at, due_at)
    outbox.enqueue(
        session,
        topic=RESOLVE,
        key=attempt.id,
        due_at=due_at,
        lane=attempt.provider_account_id,
    )
    return locked.payment


def _notice_silence(session: Session, locked: LockedAttempt, now: datetime) -> None:
    lease = timedelta(seconds=settings.current().claim_lease_seconds)
    attempt = locked.attempt
    if (
        attempt.state is AttemptState.SENDING
        and attempt.last_sent_at is not None
        and attempt.last_sent_at < now - lease
    ):
        mark_unknown(session, locked=locked, now=now)


def _is_open(locked: LockedAttempt, *, answered: bool, now: datetime) -> bool:
    """Whether the rail could still tell us something that we need."""
    attempt, payment = locked.attempt, locked.payment
    if attempt.state in LIVE:
        return True
    timing = settings.current()
    since = now - attempt.state_changed_at
    if attempt.state is AttemptState.SETTLED:
        if attempt.fee is not None:
            return False
        # The fee, which the settling callback did not name; what is never told is not asked for
        # for ever: statements name it too. The rail's own report is waited for longer.
        longest = timing.query_interval_max_seconds if answered else timing.resend_until_seconds
        is_contradicted = not answered and payment.blocked_by_case_id is not None
        return since.total_seconds() < longest or (
            is_contradicted and attempt.queries < QUESTIONS_AFTER_THE_END
        )
    if attempt.failure_confirmed_at is None:
        return True
    if attempt.called_unpaid_at is not None:
        # Afterwards once more, where a person asks for it.
        was_asked_for = attempt.queries == 0
        if now < attempt.called_unpaid_at + ASKED_ON:
            return True
    else:
        was_asked_for = attempt.next_query_at is not None and attempt.next_query_at <= now
    is_contradicted = payment.blocked_by_case_id is not None
    # Counted anew from each time that somebody had a reason, however long ago it had failed.
    return (was_asked_for or is_contradicted) and attempt.queries < QUESTIONS_AFTER_THE_END


def _notice_no_answer(session: Session, locked: LockedAttempt) -> None:
    """Asked for as long as it is asked, the rail never said that what a callback told is true."""
    attempt, payment = locked.attempt, locked.payment
    if (
        attempt.state is AttemptState.SETTLED
        and attempt.fee is None
        and payment.blocked_by_case_id is None
        and gateway_exchanges.is_from_callbacks_alone(session, attempt)
    ):
        settlement.contradict(
            session,
            payment=payment,
            summary=f"Only a callback says that {payment.number} was paid; the rail does not.",
            evidence={
                "attempt": attempt.number,
                "originator_reference": attempt.originator_reference,
                "provider_reference": attempt.provider_reference,
                "questions": attempt.queries,
            },
        )


def _notice_time(session: Session, locked: LockedAttempt, now: datetime) -> None:
    """Past decide-by it is in doubt; past that, people are told."""
    attempt, payment = locked.attempt, locked.payment
    if not restored.may_have_left(attempt):
        return
    has_failed = attempt.failure_confirmed_at is not None or attempt.called_unpaid_at is not None
    if attempt.state is AttemptState.REJECTED and has_failed:
        return  # asked on; the doubt may be about another attempt, which is asked about itself
    if (
        payment.status is PaymentStatus.EXECUTING
        and attempt.state in LIVE
        and attempt.decide_by <= now
    ):
        if attempt.first_sent_at is None:
            _say_why_it_is_in_doubt(session, locked)
        log_event(
            session,
            "payment.in_doubt",
            level=logging.WARNING,
            payment_id=payment.id,
            attempt_id=attempt.id,
        )
        payment.gateway_status = attempt.state.value
        payment.move_to(PaymentStatus.IN_DOUBT, at=now)
    undecided = payment.status is PaymentStatus.IN_DOUBT or not payment.failure_confirmed
    if undecided and now >= _case_at(attempt):
        cases.open_case(
            session,
            kind=CaseKind.IN_DOUBT,
            object_type="payment",
            object_id=payment.id,
            summary=f"The rail does not say whether {payment.number} was paid.",
            evidence={
                "attempt": attempt.number,
                "originator_reference": attempt.originator_reference,
                "first_sent_at": attempt.first_sent_at and attempt.first_sent_at.isoformat(),
                "questions": attempt.queries,
                "last_answer": attempt.outcome_code,
            },
            severity=Severity.SEVERE,
        )


def _say_why_it_is_in_doubt(session: Session, locked: LockedAttempt) -> None:
    """No payment leaves `executing` without a row of the exchange log (reliability.md §2, I4)."""
    gateway_exchanges.log_own(
        session,
        payment=locked.payment,
        attempt=locked.attempt,
        request_type=GatewayExchangeType.INITIATE,
        status="unknown",
        code="local.restored",
        message="It may have been sent in the time that a restore has lost.",
        request={},
        success=False,
    )


def _send_again(session: Session, locked: LockedAttempt, now: datetime) -> None:
    """Send the same instruction again where that can't pay twice, and the rail stays silent."""
    attempt, payment = locked.attempt, locked.payment
    timing = settings.current()
    if (
        attempt.state is not AttemptState.UNKNOWN
        or payment.status not in ON_THE_WAY
        or payment.blocked_by_case_id is not None
        or attempt.queries == 0
        or attempt.first_sent_at is None
        or attempt.last_sent_at is None
        or attempt.last_sent_at + timedelta(seconds=timing.resend_after_seconds) > now
        or is_too_late(attempt, now)
        or not registry.for_rail(payment.method).same_id_is_safe
        or not db.get_cached(session, ProviderAccount, attempt.provider_account_id).is_active
        or rules.is_overcommitted(session, locked.requisition)
    ):
        return
    try:
        pauses.check(
            session, store_id=payment.store_id, provider_account_id=attempt.provider_account_id
        )
    except pauses.Paused:
        return
    attempt.claim = None
    settlement.move(locked, AttemptState.QUEUED, now)
    outbox.enqueue(session, topic=SUBMIT, key=attempt.id, lane=attempt.provider_account_id)
    crash_point("payments.requeueing")


def _reschedule_query(
    session: Session, locked: LockedAttempt, now: datetime, *, at_the_latest: datetime | None = None
) -> None:
    """Make the query due at the next event: a question, the decide-by time, the case."""
    attempt, payment = locked.attempt, locked.payment
    moments = [attempt.next_query_at or now + _interval(1)]
    if payment.status is PaymentStatus.EXECUTING and restored.may_have_left(attempt):
        moments.append(attempt.decide_by)
    if payment.status is PaymentStatus.IN_DOUBT:
        moments.append(_case_at(attempt))
    if _stands_unpaid(attempt):
        moments.append(_tried_again_at(attempt))
    if attempt.state is AttemptState.SENDING and attempt.last_sent_at is not None:
        lease = settings.current().claim_lease_seconds
        moments.append(attempt.last_sent_at + timedelta(seconds=lease + 1))
    default = at_the_latest or now + _interval(1)
    due_at = min((each for each in moments if each > now), default=default)
    outbox.reschedule(session, topic=RESOLVE, key=attempt.id, due_at=due_at)


def _stands_unpaid(attempt: PaymentAttempt) -> bool:
    """Whether only two people called it failed, and it can't be tried again yet."""
    return (
        attempt.state is AttemptState.REJECTED
        and attempt.called_unpaid_at is not None
        and attempt.failure_confirmed_at is None
    )


def _tried_again_at(attempt: PaymentAttempt) -> datetime:
    assert attempt.called_unpaid_at is not None, "called unpaid"
    return attempt.called_unpaid_at + TRIED_AGAIN_AFTER


def _case_at(attempt: PaymentAttempt) -> datetime:
    return restored.asked_since(attempt) + timedelta(seconds=settings.current().case_after_seconds)


def _interval(questions: int) -> timedelta:
    """At most 20 s, 40 s, 80 s … up to a quarter of an hour, by default."""
    timing = settings.current()
    longest = timing.query_interval_max_seconds
    return jitter.doubling(timing.query_first_seconds, questions, longest=longest)
