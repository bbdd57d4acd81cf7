"""Taking an attempt for sending, with a fencing token: delivered twice, it is sent once.

`queued → claimed → sending`. The claim and the step to `sending` are commits of their own, the
second one just before the first byte; every later write names the token (reliability.md §1).
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Interval, bindparam, case, cast, func, or_, update
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.gateways.base import PayoutInstruction
from pettycash.gateways.flight import Deadline
from pettycash.models.imprest import ProviderAccount
from pettycash.models.payments import ON_THE_WAY, AttemptState, GatewayExchangeType, PaymentAttempt
from pettycash.runtime import db, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.rails import Rail
from pettycash.services.foundation import jitter, outbox
from pettycash.services.foundation.log_events import log_event
from pettycash.services.operations import pauses
from pettycash.services.payments import (
    facts,
    gateway_exchanges,
    instructions,
    rail_slots,
    restored,
    rules,
    settlement,
)
from pettycash.services.payments.facts import LockedAttempt
from pettycash.services.payments.settlement import RESOLVE, SUBMIT

CUT_OFF, WITHDRAWN = "local.cut_off", "local.withdrawn"
TOO_LATE = "local.too_late"
"""Codes of outcomes that we record ourselves, where no rail could."""

SENDING_SHARE = 3 / 4
"""In how much of a claim's lease its first byte leaves: 34 of 45 seconds by default."""

PAUSE_RECHECK_SECONDS = (450.0, 900.0)
"""How soon a paused payment is looked at again, where nothing wakes it before."""


class ClaimLost(Exception):
    """Another worker took the attempt over, or it was withdrawn: nothing may be sent."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to send one attempt once; every write that follows names the token."""

    token: UUID
    attempt_id: UUID
    payment_id: UUID
    rail: Rail
    instruction: PayoutInstruction


def claim(session: Session, *, attempt_id: UUID, now: datetime) -> Claim | None:
    """Take an attempt that waits; None where there is nothing to send now.

    Then the outbox message is completed, or due again when that may have changed: paused, switched
    off, blocked by a case, in the hands of a worker that may have died, no slot of its account
    free.
    """
    locked = facts.lock_attempt(session, attempt_id=attempt_id)
    if locked is None:
        outbox.complete(session, topic=SUBMIT, key=attempt_id)
        return None
    lease = timedelta(seconds=settings.current().claim_lease_seconds)
    attempt = locked.attempt
    if not _waits(session, locked, lease=lease, now=now):
        return None
    token = uuid4()
    instruction = instructions.of(session, attempt)
    if not rail_slots.acquire(session, account_id=instruction.account.id, holder=token, now=now):
        outbox.reschedule(session, topic=SUBMIT, key=attempt_id, due_at=rail_slots.next_look(now))
        return None
    wanted = {"attempt": attempt_id, "token": token, "now": now, "gone_before": now - lease}
    taken = session.execute(TAKE, wanted).one_or_none()
    if taken is None:
        return None
    # If this worker dies, the next one comes when the lease has ended.
    outbox.reschedule(session, topic=SUBMIT, key=attempt_id, due_at=now + lease)
    first_look = timedelta(seconds=settings.current().query_first_seconds)
    if attempt.first_sent_at is None and attempt.created_at + first_look / 2 < now:
        # It was put off while the attempt waited (`status_queries`).
        lane = attempt.provider_account_id
        due_at = now + first_look
        outbox.enqueue(session, topic=RESOLVE, key=attempt_id, due_at=due_at, lane=lane)
    log_event(session, "attempt.claimed", payment_id=locked.payment.id, attempt_id=attempt_id)
    return Claim(
        token=token,
        attempt_id=attempt_id,
        payment_id=locked.payment.id,
        rail=locked.payment.method,
        instruction=instruction,
    )


TAKE = (
    update(PaymentAttempt)
    .where(
        PaymentAttempt.id == bindparam("attempt"),
        or_(
            PaymentAttempt.state == AttemptState.QUEUED,
            (PaymentAttempt.state == AttemptState.CLAIMED)
            & (PaymentAttempt.claimed_at < bindparam("gone_before")),
        ),
    )
    .values(
        state=AttemptState.CLAIMED,
        state_changed_at=bindparam("now"),
        claim=bindparam("token"),
        claimed_at=bindparam("now"),
        tries=PaymentAttempt.tries + 1,
    )
    .returning(PaymentAttempt)
    .execution_options(populate_existing=True, **db.PREPARED)
)


def mark_sending(session: Session, *, claim: Claim, now: datetime) -> None:
    """Commit that bytes are about to leave. From here on no answer means unknown.

    Raises:
        ClaimLost: the token is not valid any more.
    """
    decide_by = now + registry.for_rail(claim.rail).decide_by
    sending = session.execute(
        MARK,
        {
            "attempt": claim.attempt_id,
            "token": claim.token,
            "now": now,
            "decided_by": decide_by,
            "window": repeat_window(),
            **db.shift(),
        },
    ).one_or_none()
    if sending is None:
        raise ClaimLost
    log_event(session, "attempt.sending", payment_id=claim.payment_id, attempt_id=claim.attempt_id)


MARK = (
    update(PaymentAttempt)
    .where(
        PaymentAttempt.id == bindparam("attempt"),
        PaymentAttempt.claim == bindparam("token"),
        PaymentAttempt.state == AttemptState.CLAIMED,
        # Here, since this process may have stood still since the claim.
        or_(PaymentAttempt.asks_first.is_(False), PaymentAttempt.not_known_at.is_not(None)),
        or_(
            PaymentAttempt.ever_unknown.is_(False),
            PaymentAttempt.first_sent_at + cast(bindparam("window"), Interval) > db.wall_clock(),
        ),
    )
    .values(
        state=AttemptState.SENDING,
        state_changed_at=bindparam("now"),
        last_sent_at=bindparam("now"),
        # The clock of an attempt starts with its first byte and is not wound up again.
        first_sent_at=func.coalesce(PaymentAttempt.first_sent_at, bindparam("now")),
        decide_by=case(
            (PaymentAttempt.first_sent_at.is_(None), bindparam("decided_by")),
            else_=PaymentAttempt.decide_by,
        ),
    )
    .returning(PaymentAttempt.id)
    .execution_options(synchronize_session=False, **db.PREPARED)
)


def return_claim(session: Session, *, claim: Claim) -> None:
    """Free the slot of a claim that was lost before its first byte."""
    rail_slots.free(session, account_id=claim.instruction.account.id, holder=claim.token)


def sending_deadline() -> Deadline:
    """By when the first byte leaves, or none does: before anybody takes the sender for gone."""
    return Deadline.after(settings.current().claim_lease_seconds * SENDING_SHARE)


def repeat_window() -> timedelta:
    """How long after the first byte the rail still recognises a repeat of its reference."""
    return timedelta(seconds=settings.current().resend_until_seconds)


def _waits(session: Session, locked: LockedAttempt, *, lease: timedelta, now: datetime) -> bool:
    """Whether the attempt may be taken now; its outbox message is put where it belongs if not."""
    attempt, payment = locked.attempt, locked.payment
    match attempt.state:
        case AttemptState.QUEUED:
            pass
        case AttemptState.CLAIMED if attempt.claimed_at and attempt.claimed_at < now - lease:
            pass
        case AttemptState.CLAIMED:
            assert attempt.claimed_at is not None, "a claimed attempt knows since when"
            due_at = attempt.claimed_at + lease + timedelta(seconds=1)
            outbox.reschedule(session, topic=SUBMIT, key=attempt.id, due_at=due_at)
            return False
        case AttemptState.SENDING:
            assert attempt.last_sent_at is not None, "a sending attempt knows since when"
            if attempt.last_sent_at < now - lease:
                mark_unknown(session, locked=locked, now=now)
            else:
                due_at = attempt.last_sent_at + lease + timedelta(seconds=1)
                outbox.reschedule(session, topic=SUBMIT, key=attempt.id, due_at=due_at)
            return False
        case _:
            outbox.complete(session, topic=SUBMIT, key=attempt.id)
            return False
    if payment.status not in ON_THE_WAY or restored.must_ask(attempt):
        outbox.complete(session, topic=SUBMIT, key=attempt.id)
        if payment.status in ON_THE_WAY:
            # Its question comes first; what the rail says to it enqueues the sending anew.
            outbox.enqueue(session, topic=RESOLVE, key=attempt.id)
        return False
    if is_too_late(attempt, now):
        give_up_sending(session, locked=locked, now=now)
        return False
    overcommitted = rules.is_overcommitted(session, locked.requisition)
    if overcommitted and not attempt.ever_unknown:
        # A failed payment was proven paid meanwhile: what has not left for this one stays here.
        message = "The approved amount is paid or on its way without it."
        gateway_exchanges.log_own(
            session,
            payment=payment,
            attempt=attempt,
            request_type=GatewayExchangeType.CANCEL,
            status="rejected",
            code=WITHDRAWN,
            message=message,
            request={},
            success=False,
        )
        settlement.fail(
            session, locked=locked, code=WITHDRAWN, message=message, confirmed=True, now=now
        )
        return False
    if overcommitted or _why_paused(session, locked):
        outbox.before_putting_off(session)
        session.expire(db.get_cached(session, ProviderAccount, attempt.provider_account_id))
        why = "overcommitted" if overcommitted else _why_paused(session, locked)
        if why:
            log_event(
                session,
                "attempt.paused",
                level=logging.WARNING,
                payment_id=payment.id,
                attempt_id=attempt.id,
                why=why,
            )
            shortest, longest = PAUSE_RECHECK_SECONDS
            due_at = now + jitter.up_to(longest, floor=shortest)
            outbox.reschedule(session, topic=SUBMIT, key=attempt.id, due_at=due_at)
            return False
    return True


def _why_paused(session: Session, locked: LockedAttempt) -> str | None:
    """The reason why an attempt can't be sent now: blocked, switched off or paused."""
    payment = locked.payment
    if payment.blocked_by_case_id is not None:
        return "blocked"
    if not db.get_cached(session, ProviderAccount, locked.attempt.provider_account_id).is_active:
        return "switched_off"
    try:
        pauses.check(
            session,
            store_id=payment.store_id,
            provider_account_id=locked.attempt.provider_account_id,
        )
    except pauses.Paused:
        return "paused"
    return None


def is_too_late(attempt: PaymentAttempt, now: datetime) -> bool:
    """Whether the rail may take a repeat for a new payment: what may have arrived is too old."""
    return (
        attempt.ever_unknown
        and attempt.first_sent_at is not None
        and attempt.first_sent_at + repeat_window() <= now
    )


def give_up_sending(session: Session, *, locked: LockedAttempt, now: datetime) -> None:
    """A repeat waited until it could pay twice: nothing more leaves, and the rail is asked on."""
    locked.attempt.claim = None
    locked.attempt.outcome_code = TOO_LATE
    locked.attempt.outcome_message = "The repeat waited for longer than the rail recognises it."
    settlement.move(locked, AttemptState.UNKNOWN, now)
    outbox.complete(session, topic=SUBMIT, key=locked.attempt.id)
    settlement.ask_at_once(session, locked=locked, now=now)


def mark_unknown(session: Session, *, locked: LockedAttempt, now: datetime) -> None:
    """Mark an attempt whose sender is gone as unknown: it is queried, never sent again blindly."""
    log_event(
        session,
        "attempt.cut_off",
        level=logging.WARNING,
        payment_id=locked.payment.id,
        attempt_id=locked.attempt.id,
    )
    locked.attempt.ever_unknown = True
    locked.attempt.outcome_code = CUT_OFF
    locked.attempt.outcome_message = "The worker ended while it was sending."
    # No payment leaves `executing` without a row of the gateway exchange log, and its time may be
    # up before the rail has answered anything (reliability.md §2, I4).
    gateway_exchanges.log_own(
        session,
        payment=locked.payment,
        attempt=locked.attempt,
        request_type=GatewayExchangeType.INITIATE,
        status="unknown",
        code=CUT_OFF,
        message=locked.attempt.outcome_message,
        request={},
        success=False,
    )
    settlement.move(locked, AttemptState.UNKNOWN, now)
    outbox.complete(session, topic=SUBMIT, key=locked.attempt.id)
    settlement.ask_at_once(session, locked=locked, now=now)
    crash_point("payments.marking_unknown")
