"""Recording what a rail answered to a sending; only the claim that sent it may."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.gateways.base import Outcome, OutcomeKind
from pettycash.models.payments import LIVE, AttemptState, PaymentAttempt
from pettycash.runtime import settings
from pettycash.services.foundation import jitter, outbox
from pettycash.services.payments import (
    credential_refusals,
    facts,
    gateway_exchanges,
    rail_slots,
    results,
    settlement,
)
from pettycash.services.payments.claiming import Claim
from pettycash.services.payments.facts import LockedAttempt
from pettycash.services.payments.results import RailReport, ReportEffect, Source
from pettycash.services.payments.settlement import RESOLVE, SUBMIT

RETRY_SECONDS = 5.0
THROTTLED_SECONDS = 30.0
RETRY_SECONDS_MAX = 300.0


def record_outcome(
    session: Session, *, claim: Claim, outcome: Outcome, now: datetime
) -> ReportEffect:
    """Record the answer to what this claim sent.

    An answer under a token that is not valid any more is logged. If it proves something it counts,
    as a fact does whoever brings it, and so it does where the rail has what was called unpaid or
    waits to be repeated; but it moves no state that another claim is sending in.
    """
    locked = facts.lock_attempt(session, attempt_id=claim.attempt_id)
    assert locked is not None, "attempts are never deleted"
    attempt = locked.attempt
    account_id = claim.instruction.account.id
    refused = rail_slots.free(session, account_id=account_id, holder=claim.token)
    credential_refusals.weigh(
        session, account_id=account_id, outcome=outcome, refused_before=refused
    )
    owns = attempt.claim == claim.token and attempt.state in (
        AttemptState.SENDING,
        AttemptState.UNKNOWN,
    )
    if not owns and not _counts_all_the_same(attempt, outcome):
        gateway_exchanges.log(session, payment=locked.payment, attempt=attempt, outcome=outcome)
        return ReportEffect.IGNORED
    if outcome.kind is OutcomeKind.NOT_SENT:
        return _not_sent(session, locked, outcome, now)
    gateway = registry.for_rail(claim.rail)
    verdict = results.apply(
        session,
        locked=locked,
        report=RailReport(
            outcome=outcome,
            agreement=outcome.agreement(claim.instruction, conversation_id=attempt.conversation_id),
            source=Source.SENDING,
            confirms_failure_by_query=gateway.confirms_failure_by_query,
        ),
        now=now,
    )
    due_at = now + timedelta(seconds=settings.current().query_first_seconds)
    if attempt.state is AttemptState.ACCEPTED:
        # A worker that has taken it meanwhile to repeat it finds its claim gone.
        attempt.claim = None
        attempt.next_query_at = due_at
        outbox.reschedule(session, topic=RESOLVE, key=attempt.id, due_at=due_at)
    outbox.complete(session, topic=SUBMIT, key=attempt.id)
    return verdict


def _counts_all_the_same(attempt: PaymentAttempt, outcome: Outcome) -> bool:
    """Whether an answer says something that must not be lost, whoever holds the claim by now."""
    match outcome.kind:
        case OutcomeKind.SETTLED:
            return True
        case OutcomeKind.ACCEPTED:
            return attempt.state not in (AttemptState.SENDING, AttemptState.SETTLED)
        case OutcomeKind.IN_DOUBT:
            return attempt.state is AttemptState.REJECTED
        case _:
            return False


def _not_sent(
    session: Session, locked: LockedAttempt, outcome: Outcome, now: datetime
) -> ReportEffect:
    """Provably never processed: again under the same reference, later, and not for ever."""
    attempt = locked.attempt
    gateway_exchanges.log(session, payment=locked.payment, attempt=attempt, outcome=outcome)
    attempt.outcome_code, attempt.outcome_message = outcome.code, outcome.message
    locked.payment.last_error = f"{outcome.code}: {outcome.message}"[:500]
    is_last_try = attempt.tries >= settings.current().send_tries_max
    is_unknown = attempt.ever_unknown or attempt.state is AttemptState.UNKNOWN
    if is_unknown or (is_last_try and attempt.asks_first):
        # Only this one was not sent. What became of an earlier sending, ours or one that a restore
        # has lost, the rail has to say.
        settlement.move(locked, AttemptState.UNKNOWN, now)
        outbox.complete(session, topic=SUBMIT, key=attempt.id)
        settlement.ask_at_once(session, locked=locked, now=now)
        return ReportEffect.ASKED
    if is_last_try:
        settlement.fail(
            session,
            locked=locked,
            code=outcome.code,
            message=outcome.message,
            confirmed=True,
            now=now,
        )
        return ReportEffect.REJECTED
    attempt.claim = None
    settlement.move(locked, AttemptState.QUEUED, now)
    base = THROTTLED_SECONDS if outcome.throttled else RETRY_SECONDS
    wait = jitter.doubling(base, attempt.tries, longest=RETRY_SECONDS_MAX)
    outbox.reschedule(session, topic=SUBMIT, key=attempt.id, due_at=now + wait)
    assert attempt.state in LIVE
    return ReportEffect.IGNORED
