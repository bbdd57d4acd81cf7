"""Results: rail reports applied to a payment, by what they prove and how they came.

The rail's own answers (to a sending, or to a question of ours that is known) count as they are. A
callback only settles with the secret, our reference, the amount and the payee; anything less, and
every failure, is a reason to ask. What a callback alone has settled is asked about, and an answer
that denies it is a case: nothing contradictory is ever taken silently (domain.md §6).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import Agreement, Outcome, OutcomeKind
from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import LIVE, ON_THE_WAY, AttemptState, PaymentAttempt, PaymentStatus
from pettycash.runtime import db, settings
from pettycash.services.foundation import outbox
from pettycash.services.operations import cases
from pettycash.services.payments import gateway_exchanges, restored, settlement
from pettycash.services.payments.facts import LockedAttempt


class Source(StrEnum):
    """How a report came."""

    SENDING = "sending"  # the rail's answer to what we sent
    QUERY = "query"  # the rail's answer to our question
    QUERY_CALLBACK = "query_callback"  # the same, where it comes by callback
    CALLBACK = "callback"  # the rail, unasked
    NOTICE = "notice"  # "this took too long": says nothing of the money


class ReportEffect(StrEnum):
    """The effect of a report, as a callback's row keeps it."""

    SETTLED = "settled"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    ASKED = "asked"  # proves nothing by itself: the rail is asked
    IGNORED = "ignored"  # known already
    CASE = "case"  # people have to look


IDENTITY = frozenset({"reference", "destination"})

OWN_ANSWERS = frozenset({Source.SENDING, Source.QUERY})

ANSWERS_TO_QUESTIONS = frozenset({Source.QUERY, Source.QUERY_CALLBACK})


@dataclass(frozen=True, kw_only=True)
class RailReport:
    """A rail's report of an attempt: in an answer, a callback or a notice."""

    outcome: Outcome
    agreement: Agreement
    source: Source
    confirms_failure_by_query: bool
    callback_id: UUID | None = None
    asked_at: datetime | None = None
    """When the question was put that it answers; None: to none, or to one that nobody knows."""

    @property
    def is_rails_own(self) -> bool:
        """Whether it answers what we sent or asked: by callback, only a question that it names."""
        if self.source is Source.QUERY_CALLBACK:
            return self.asked_at is not None
        return self.source in OWN_ANSWERS

    @property
    def is_about_other_money(self) -> bool:
        return bool(IDENTITY & set(self.agreement.contradicted))

    @property
    def is_about_nobody(self) -> bool:
        """An answer by callback that names neither our reference nor the payee."""
        return self.source is Source.QUERY_CALLBACK and set(self.agreement.unproven) >= IDENTITY

    def as_evidence(self, locked: LockedAttempt) -> dict[str, Any]:
        """For a case: the report beside the instruction; no phone numbers."""
        outcome = self.outcome
        return {
            "said_by": self.source.value,
            "outcome": outcome.kind.value,
            "code": outcome.code,
            "message": outcome.message,
            "contradicts": list(self.agreement.contradicted),
            "provider_reference": outcome.provider_reference,
            "amount_said": None if outcome.amount is None else str(outcome.amount),
            "amount_instructed": str(locked.attempt.amount),
            "originator_reference": locked.attempt.originator_reference,
            "callback_id": str(self.callback_id) if self.callback_id else None,
        }


def asked_at(attempt: PaymentAttempt, outcome: Outcome, source: Source) -> datetime | None:
    """When the question was put that a callback answers, where it names our newest one."""
    if source is not Source.QUERY_CALLBACK or outcome.asked_reference is None:
        return None
    is_newest = outcome.asked_reference == attempt.asked_reference
    return attempt.last_query_at if is_newest else None


def apply(
    session: Session, *, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """Log the report and apply what follows from it. The rows are locked."""
    outcome = report.outcome
    gateway_exchanges.log(
        session,
        payment=locked.payment,
        attempt=locked.attempt,
        outcome=outcome if report.is_rails_own else gateway_exchanges.as_unasked(outcome),
    )
    if report.asked_at is not None and restored.asks_ahead(locked):
        return _of_a_lost_attempt(session, locked, report, now)
    if report.is_rails_own and not report.is_about_other_money:
        _keep_ids(locked.attempt, outcome)
    match outcome.kind:
        case OutcomeKind.SETTLED | OutcomeKind.REJECTED if (
            report.is_about_nobody and locked.attempt.state is not AttemptState.SETTLED
        ):
            return _ask(session, locked, report, now)
        case OutcomeKind.SETTLED:
            return _settled(session, locked, report, now)
        case OutcomeKind.REJECTED:
            return _rejected(session, locked, report, now)
        case OutcomeKind.ACCEPTED:
            return _accepted(session, locked, report, now)
        case OutcomeKind.NOT_KNOWN:
            return _not_known(session, locked, report, now)
        case _:
            return _unknown(session, locked, report, now)


def _of_a_lost_attempt(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """Apply a report about a reference that the lost time may have given out after this one.

    Where it knows it, this attempt had failed for certain by then: the next release of the payment,
    or of one made anew, has that reference, and becomes what the rail says of it.
    """
    if report.outcome.kind is OutcomeKind.NOT_KNOWN:
        return _not_known(session, locked, report, now)
    decided = report.outcome.kind in (OutcomeKind.SETTLED, OutcomeKind.REJECTED)
    if not decided and report.outcome.provider_originator_id != restored.reference_to_ask(
        session, locked
    ):
        return ReportEffect.ASKED  # the question failed: the next one has its own turn
    if report.outcome.kind is not OutcomeKind.REJECTED and restored.is_of_another(session, locked):
        settlement.contradict(
            session,
            payment=locked.payment,
            summary=f"The rail knows a payment that is over here, and {locked.payment.number}"
            " was made in its place.",
            evidence={
                "reference": restored.reference_to_ask(session, locked),
                "outcome": report.outcome.kind.value,
                "code": report.outcome.code,
                "provider_reference": report.outcome.provider_reference,
                "amount_said": None
                if report.outcome.amount is None
                else str(report.outcome.amount),
            },
        )
        return ReportEffect.CASE
    if report.outcome.kind is OutcomeKind.REJECTED and restored.is_of_another(session, locked):
        return _not_known(session, locked, report, now)  # it has failed: the next one has its turn
    settlement.fail(
        session,
        locked=locked,
        code="local.sent_later",
        message="The rail knows a later sending, which a restore has lost: release it again.",
        confirmed=True,
        now=now,
    )
    return ReportEffect.REJECTED


def _settled(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    if report.is_about_other_money:
        return _contradiction(session, locked, report, now)
    if restored.must_ask(locked.attempt) and "reference" in report.agreement.unproven:
        return _ask(session, locked, report, now)
    if locked.attempt.state is AttemptState.SETTLED:
        return _settled_again(session, locked, report, now)
    amount = report.outcome.amount
    if amount is None or (not report.is_rails_own and not report.agreement.complete):
        if report.agreement.contradicted:
            return _contradiction(session, locked, report, now)
        return _ask(session, locked, report, now)
    if _receipt_is_taken(session, locked, report):
        return _contradiction(session, locked, report, now)
    expected = locked.attempt.state in LIVE and locked.payment.status in ON_THE_WAY
    if not expected and not report.is_rails_own:
        # "Failed" was said before; which of the two is true only the rail itself can tell.
        return _contradiction(session, locked, report, now)
    settlement.settle(session, locked=locked, proof=_proof(report), now=now)
    if report.agreement.contradicted:
        settlement.contradict(
            session,
            payment=locked.payment,
            summary=f"{locked.payment.number} was paid with another amount than released.",
            evidence=report.as_evidence(locked),
        )
    return ReportEffect.SETTLED


def _settled_again(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """A proof of what is proven: the same receipt says nothing new, but may name the fee."""
    said, attempt = report.outcome, locked.attempt
    same_receipt = said.provider_reference == attempt.provider_reference
    if not same_receipt or (said.amount is not None and said.amount != attempt.settled_amount):
        return _contradiction(session, locked, report, now)
    if said.fee is not None and report.is_rails_own:
        settlement.learn_fee(
            session, locked=locked, fee=said.fee, evidence=report.source.value, now=now
        )
    return ReportEffect.IGNORED


def _rejected(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    attempt, payment = locked.attempt, locked.payment
    if report.agreement.contradicted or attempt.state is AttemptState.SETTLED:
        return _contradiction(session, locked, report, now)
    if report.source is Source.CALLBACK and "reference" in report.agreement.unproven:
        return _ask(session, locked, report, now)
    answers_a_question = report.source in ANSWERS_TO_QUESTIONS
    if answers_a_question and not _is_newer_than_the_last_send(attempt, report):
        # What was sent since then may still be paid: the next question has its own turn.
        return ReportEffect.ASKED
    if attempt.state is AttemptState.REJECTED:
        # What two people called unpaid is asked about until the rail says so too.
        is_known = attempt.failure_confirmed_at is not None and attempt.called_unpaid_at is None
        if not answers_a_question or is_known:
            return ReportEffect.IGNORED
        settlement.confirm_failure(session, locked=locked, now=now)
        return ReportEffect.REJECTED
    if report.source is Source.SENDING and (attempt.ever_unknown or attempt.asks_first):
        # A repeat was refused: that says nothing of what was sent before it.
        return _unknown(session, locked, report, now)
    confirmed = report.is_rails_own or not report.confirms_failure_by_query
    settlement.fail(
        session,
        locked=locked,
        code=report.outcome.code,
        message=report.outcome.message,
        confirmed=confirmed,
        now=now,
    )
    assert payment.status is not PaymentStatus.EXECUTING
    return ReportEffect.REJECTED


def _is_newer_than_the_last_send(attempt: PaymentAttempt, report: RailReport) -> bool:
    """Whether a "no" is about all that was sent: it answers a question put after the last byte."""
    if attempt.state is AttemptState.SENDING or report.asked_at is None:
        return False
    return attempt.last_sent_at is None or report.asked_at >= attempt.last_sent_at


def _accepted(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """The rail has the instruction, whatever was concluded before: it is not repeated."""
    attempt = locked.attempt
    if attempt.state is AttemptState.REJECTED:
        answers_a_question = report.is_rails_own and report.source is not Source.SENDING
        if (
            attempt.called_unpaid_at is not None
            and answers_a_question
            and gateway_exchanges.people_knew_it_accepted(session, attempt)
        ):
            return ReportEffect.ASKED  # nothing new
        return _doubt_failure(session, locked, report, now)
    if attempt.state in LIVE:
        settlement.move(locked, AttemptState.ACCEPTED, now)
    return ReportEffect.ACCEPTED


def _not_known(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """The rail knows nothing under our reference: proof only for what a restore made uncertain.

    Before the first byte it may leave now. After it, where every sending of ours was refused, it
    was never paid. Where an answer of ours was lost, it may still be on its way: it proves nothing.
    """
    attempt = locked.attempt
    if _denies_a_callback(session, locked, report):
        return _contradiction(session, locked, report, now)
    is_proof = (
        attempt.asks_first
        and not attempt.ever_unknown
        and _is_newer_than_the_last_send(attempt, report)
        and restored.is_quiet(session, now)
    )
    if not is_proof:
        return ReportEffect.ASKED  # the next question has its own turn
    if restored.must_ask(attempt):
        if restored.goes_on(session, locked):
            settlement.ask_at_once(session, locked=locked, now=now)
            return ReportEffect.ASKED
        attempt.not_known_at = now
        lane = attempt.provider_account_id
        outbox.enqueue(session, topic=settlement.SUBMIT, key=attempt.id, lane=lane)
        return ReportEffect.ASKED
    if attempt.state is not AttemptState.UNKNOWN:
        return ReportEffect.ASKED
    settlement.fail(
        session,
        locked=locked,
        code=attempt.outcome_code or report.outcome.code,
        message=attempt.outcome_message or report.outcome.message,
        confirmed=True,
        now=now,
    )
    return ReportEffect.REJECTED


def _denies_a_callback(session: Session, locked: LockedAttempt, report: RailReport) -> bool:
    """The rail does not know what a callback alone called paid, and the query was not too early."""
    grace = timedelta(seconds=settings.current().decide_by_seconds)
    attempt = locked.attempt
    return (
        attempt.state is AttemptState.SETTLED
        and locked.payment.blocked_by_case_id is None
        and report.asked_at is not None
        and report.asked_at >= attempt.state_changed_at + grace
        and gateway_exchanges.is_from_callbacks_alone(session, attempt)
    )


def _doubt_failure(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """Unconfirm a failure, since the money may have moved after all, and query the rail."""
    attempt = locked.attempt
    if attempt.failure_confirmed_at is None and attempt.called_unpaid_at is None:
        # A callback that overtook this answer said so, and the rail is being asked already.
        return _ask(session, locked, report, now)
    settlement.unconfirm_failure(session, locked=locked, now=now)
    return _contradiction(session, locked, report, now)


def _unknown(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """Apply a report that proves nothing: what was sent is unknown, and the rail is queried."""
    attempt = locked.attempt
    if report.source is Source.SENDING and attempt.state is AttemptState.REJECTED:
        return _doubt_failure(session, locked, report, now)
    is_now_unknown = (
        attempt.state is AttemptState.SENDING
        if report.source is Source.SENDING
        else attempt.state is AttemptState.ACCEPTED
        and report.source in (Source.CALLBACK, Source.NOTICE)
    )
    if is_now_unknown:
        # A refusal is no lost answer, although it proves nothing of what was sent before a restore.
        attempt.ever_unknown |= report.outcome.kind is not OutcomeKind.REJECTED
        attempt.outcome_code = report.outcome.code
        attempt.outcome_message = report.outcome.message
        settlement.move(locked, AttemptState.UNKNOWN, now)
    if report.source in ANSWERS_TO_QUESTIONS:
        return ReportEffect.ASKED  # the next question has its own turn
    return _ask(session, locked, report, now)


def _ask(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    undecided = locked.attempt.state in LIVE or not locked.payment.failure_confirmed
    if not undecided:
        return ReportEffect.IGNORED
    ask = settlement.ask_at_once if report.is_rails_own else settlement.ask_soon
    ask(session, locked=locked, now=now)
    return ReportEffect.ASKED


def _contradiction(
    session: Session, locked: LockedAttempt, report: RailReport, now: datetime
) -> ReportEffect:
    """Record the report in a case, and query the rail."""
    evidence = report.as_evidence(locked)
    if "reference" in report.agreement.contradicted and report.callback_id is not None:
        cases.open_case(
            session,
            kind=CaseKind.UNMATCHED_CALLBACK,
            object_type="callback",
            object_id=report.callback_id,
            summary=f"A callback to {locked.payment.number} is about another payment.",
            evidence=evidence,
            severity=Severity.WARNING,
        )
    else:
        settlement.contradict(
            session,
            payment=locked.payment,
            summary=_summary(locked, report.agreement.contradicted),
            evidence=evidence,
        )
    if not report.is_rails_own:
        settlement.ask_soon(session, locked=locked, now=now)
    return ReportEffect.CASE


def _summary(locked: LockedAttempt, contradicted: tuple[str, ...]) -> str:
    number = locked.payment.number
    if contradicted:
        return f"What was said about {number} does not fit it: {', '.join(contradicted)}."
    return f"What was said about {number} contradicts that it is {locked.payment.status}."


def _receipt_is_taken(session: Session, locked: LockedAttempt, report: RailReport) -> bool:
    """Whether the rail names a receipt that has proven another attempt already."""
    receipt = report.outcome.provider_reference
    if receipt is None:
        return False
    other = session.execute(
        select(PaymentAttempt.id).where(
            PaymentAttempt.provider_account_id == locked.attempt.provider_account_id,
            PaymentAttempt.provider_reference == receipt,
            PaymentAttempt.id != locked.attempt.id,
        ),
        execution_options=db.PREPARED,
    ).first()
    return other is not None


def _proof(report: RailReport) -> settlement.Proof:
    outcome = report.outcome
    assert outcome.amount is not None, "checked before"
    return settlement.Proof(
        amount=outcome.amount,
        provider_reference=outcome.provider_reference,
        occurred_at=outcome.occurred_at,
        code=outcome.code,
        message=outcome.message,
        fee=outcome.fee if report.is_rails_own else None,
        fee_evidence=report.source.value,
    )


def _keep_ids(attempt: PaymentAttempt, outcome: Outcome) -> None:
    """The rail's own ids, once: callbacks that carry only these are matched by them."""
    found: Mapping[str, str | None] = {
        "conversation_id": outcome.conversation_id,
        "provider_originator_id": outcome.provider_originator_id,
    }
    for name, value in found.items():
        if value is not None and getattr(attempt, name) is None:
            setattr(attempt, name, value)
