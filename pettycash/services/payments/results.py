"""What an answer or a callback means for a payment, by what it proves and who says it.

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

from pettycash import db, settings
from pettycash.gateways.base import Agreement, Outcome, OutcomeKind
from pettycash.models.attempts import LIVE, AttemptState, PaymentAttempt
from pettycash.models.payments import ON_THE_WAY, PaymentStatus
from pettycash.models.platform import CaseKind, Severity
from pettycash.services import cases, outbox
from pettycash.services.payments import gateway_exchanges, restored, settlement
from pettycash.services.payments.facts import Matter


class Source(StrEnum):
    """Who says it."""

    SENDING = "sending"  # the rail's answer to what we sent
    QUERY = "query"  # the rail's answer to our question
    QUERY_CALLBACK = "query_callback"  # the same, where it comes by callback
    CALLBACK = "callback"  # the rail, unasked
    NOTICE = "notice"  # "this took too long": says nothing of the money


class ReportEffect(StrEnum):
    """What became of it, as a callback's row tells."""

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
class Word:
    """One thing that was said about an attempt."""

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

    def as_evidence(self, matter: Matter) -> dict[str, Any]:
        """For a case: what was said beside what was instructed; no phone numbers."""
        outcome = self.outcome
        return {
            "said_by": self.source.value,
            "outcome": outcome.kind.value,
            "code": outcome.code,
            "message": outcome.message,
            "contradicts": list(self.agreement.contradicted),
            "provider_reference": outcome.provider_reference,
            "amount_said": None if outcome.amount is None else str(outcome.amount),
            "amount_instructed": str(matter.attempt.amount),
            "originator_reference": matter.attempt.originator_reference,
            "callback_id": str(self.callback_id) if self.callback_id else None,
        }


def asked_at(attempt: PaymentAttempt, outcome: Outcome, source: Source) -> datetime | None:
    """When the question was put that a callback answers, where it names our newest one."""
    if source is not Source.QUERY_CALLBACK or outcome.asked_reference is None:
        return None
    is_newest = outcome.asked_reference == attempt.asked_reference
    return attempt.last_query_at if is_newest else None


def take(session: Session, *, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """Log what was said and do what follows from it. The matter's rows are locked."""
    outcome = word.outcome
    gateway_exchanges.log(
        session,
        payment=matter.payment,
        attempt=matter.attempt,
        said=outcome if word.is_rails_own else gateway_exchanges.as_unasked(outcome),
    )
    if word.asked_at is not None and restored.asks_ahead(matter):
        return _of_a_lost_attempt(session, matter, word, now)
    if word.is_rails_own and not word.is_about_other_money:
        _remember_ids(matter.attempt, outcome)
    match outcome.kind:
        case OutcomeKind.SETTLED | OutcomeKind.REJECTED if (
            word.is_about_nobody and matter.attempt.state is not AttemptState.SETTLED
        ):
            return _ask(session, matter, now)
        case OutcomeKind.SETTLED:
            return _settled(session, matter, word, now)
        case OutcomeKind.REJECTED:
            return _rejected(session, matter, word, now)
        case OutcomeKind.ACCEPTED:
            return _accepted(session, matter, word, now)
        case OutcomeKind.NOT_KNOWN:
            return _not_known(session, matter, word, now)
        case _:
            return _unknown(session, matter, word, now)


def _of_a_lost_attempt(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """What the rail says of a reference that the lost time may have given out after this one.

    Where it knows it, this attempt had failed for certain by then: the next release of the payment,
    or of one made anew, has that reference, and becomes what the rail says of it.
    """
    if word.outcome.kind is OutcomeKind.NOT_KNOWN:
        return _not_known(session, matter, word, now)
    decided = word.outcome.kind in (OutcomeKind.SETTLED, OutcomeKind.REJECTED)
    if not decided and word.outcome.provider_originator_id != restored.reference_to_ask(
        session, matter
    ):
        return ReportEffect.ASKED  # the question failed: the next one has its own turn
    if word.outcome.kind is not OutcomeKind.REJECTED and restored.is_of_another(session, matter):
        settlement.contradict(
            session,
            payment=matter.payment,
            summary=f"The rail knows a payment that is over here, and {matter.payment.number}"
            " was made in its place.",
            evidence={
                "reference": restored.reference_to_ask(session, matter),
                "outcome": word.outcome.kind.value,
                "code": word.outcome.code,
                "provider_reference": word.outcome.provider_reference,
                "amount_said": None if word.outcome.amount is None else str(word.outcome.amount),
            },
        )
        return ReportEffect.CASE
    if word.outcome.kind is OutcomeKind.REJECTED and restored.is_of_another(session, matter):
        return _not_known(session, matter, word, now)  # it has failed: the next one has its turn
    settlement.fail(
        session,
        matter=matter,
        code="local.sent_later",
        message="The rail knows a later sending, which a restore has lost: release it again.",
        confirmed=True,
        now=now,
    )
    return ReportEffect.REJECTED


def _settled(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    if word.is_about_other_money:
        return _contradiction(session, matter, word, now)
    if restored.must_ask(matter.attempt) and "reference" in word.agreement.unproven:
        return _ask(session, matter, now)
    if matter.attempt.state is AttemptState.SETTLED:
        return _settled_again(session, matter, word, now)
    amount = word.outcome.amount
    if amount is None or (not word.is_rails_own and not word.agreement.complete):
        if word.agreement.contradicted:
            return _contradiction(session, matter, word, now)
        return _ask(session, matter, now)
    if _receipt_is_taken(session, matter, word):
        return _contradiction(session, matter, word, now)
    expected = matter.attempt.state in LIVE and matter.payment.status in ON_THE_WAY
    if not expected and not word.is_rails_own:
        # "Failed" was said before; which of the two is true only the rail itself can tell.
        return _contradiction(session, matter, word, now)
    settlement.settle(session, matter=matter, proof=_proof(word), now=now)
    if word.agreement.contradicted:
        settlement.contradict(
            session,
            payment=matter.payment,
            summary=f"{matter.payment.number} was paid with another amount than released.",
            evidence=word.as_evidence(matter),
        )
    return ReportEffect.SETTLED


def _settled_again(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """A proof of what is proven: the same receipt says nothing new, but may name the fee."""
    said, attempt = word.outcome, matter.attempt
    same_receipt = said.provider_reference == attempt.provider_reference
    if not same_receipt or (said.amount is not None and said.amount != attempt.settled_amount):
        return _contradiction(session, matter, word, now)
    if said.fee is not None and word.is_rails_own:
        settlement.learn_fee(
            session, matter=matter, fee=said.fee, evidence=word.source.value, now=now
        )
    return ReportEffect.IGNORED


def _rejected(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    attempt, payment = matter.attempt, matter.payment
    if word.agreement.contradicted or attempt.state is AttemptState.SETTLED:
        return _contradiction(session, matter, word, now)
    if word.source is Source.CALLBACK and "reference" in word.agreement.unproven:
        return _ask(session, matter, now)
    answers_a_question = word.source in ANSWERS_TO_QUESTIONS
    if answers_a_question and not _is_newer_than_the_last_send(attempt, word):
        # What was sent since then may still be paid: the next question has its own turn.
        return ReportEffect.ASKED
    if attempt.state is AttemptState.REJECTED:
        # What two people called unpaid is asked about until the rail says so too.
        is_known = attempt.failure_confirmed_at is not None and attempt.called_unpaid_at is None
        if not answers_a_question or is_known:
            return ReportEffect.IGNORED
        settlement.confirm_failure(session, matter=matter, now=now)
        return ReportEffect.REJECTED
    if word.source is Source.SENDING and (attempt.ever_unknown or attempt.asks_first):
        # A repeat was refused: that says nothing of what was sent before it.
        return _unknown(session, matter, word, now)
    confirmed = word.is_rails_own or not word.confirms_failure_by_query
    settlement.fail(
        session,
        matter=matter,
        code=word.outcome.code,
        message=word.outcome.message,
        confirmed=confirmed,
        now=now,
    )
    assert payment.status is not PaymentStatus.EXECUTING
    return ReportEffect.REJECTED


def _is_newer_than_the_last_send(attempt: PaymentAttempt, word: Word) -> bool:
    """Whether a "no" is about all that was sent: it answers a question put after the last byte."""
    if attempt.state is AttemptState.SENDING or word.asked_at is None:
        return False
    return attempt.last_sent_at is None or word.asked_at >= attempt.last_sent_at


def _accepted(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """The rail has the instruction, whatever was made of the silence before: it is not repeated."""
    attempt = matter.attempt
    if attempt.state is AttemptState.REJECTED:
        answers_a_question = word.is_rails_own and word.source is not Source.SENDING
        if (
            attempt.called_unpaid_at is not None
            and answers_a_question
            and gateway_exchanges.people_knew_it_accepted(session, attempt)
        ):
            return ReportEffect.ASKED  # nothing new
        return _doubt_failure(session, matter, word, now)
    if attempt.state in LIVE:
        settlement.move(matter, AttemptState.ACCEPTED, now)
    return ReportEffect.ACCEPTED


def _not_known(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """The rail knows nothing under our reference: proof only for what a restore made uncertain.

    Before the first byte it may leave now. After it, where every sending of ours was refused, it
    was never paid. Where an answer of ours was lost, it may still be on its way: it proves nothing.
    """
    attempt = matter.attempt
    if _denies_a_callback(session, matter, word):
        return _contradiction(session, matter, word, now)
    is_proof = (
        attempt.asks_first
        and not attempt.ever_unknown
        and _is_newer_than_the_last_send(attempt, word)
        and restored.is_quiet(session, now)
    )
    if not is_proof:
        return ReportEffect.ASKED  # the next question has its own turn
    if restored.must_ask(attempt):
        if restored.goes_on(session, matter):
            settlement.ask_at_once(session, matter=matter, now=now)
            return ReportEffect.ASKED
        attempt.not_known_at = now
        lane = attempt.provider_account_id
        outbox.enqueue(session, topic=settlement.SUBMIT, key=attempt.id, lane=lane)
        return ReportEffect.ASKED
    if attempt.state is not AttemptState.UNKNOWN:
        return ReportEffect.ASKED
    settlement.fail(
        session,
        matter=matter,
        code=attempt.outcome_code or word.outcome.code,
        message=attempt.outcome_message or word.outcome.message,
        confirmed=True,
        now=now,
    )
    return ReportEffect.REJECTED


def _denies_a_callback(session: Session, matter: Matter, word: Word) -> bool:
    """The rail knows nothing of what a callback alone called paid, said once and not too soon."""
    grace = timedelta(seconds=settings.current().decide_by_seconds)
    attempt = matter.attempt
    return (
        attempt.state is AttemptState.SETTLED
        and matter.payment.blocked_by_case_id is None
        and word.asked_at is not None
        and word.asked_at >= attempt.state_changed_at + grace
        and gateway_exchanges.is_from_callbacks_alone(session, attempt)
    )


def _doubt_failure(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """What was called unpaid may be paid after all: it is unconfirmed, and the rail is asked."""
    attempt = matter.attempt
    if attempt.failure_confirmed_at is None and attempt.called_unpaid_at is None:
        # A callback that overtook this answer said so, and the rail is being asked already.
        return _ask(session, matter, now)
    settlement.unconfirm_failure(session, matter=matter, now=now)
    return _contradiction(session, matter, word, now)


def _unknown(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """Nothing is proven. What was sent is unknown from now on; the rail is asked."""
    attempt = matter.attempt
    if word.source is Source.SENDING and attempt.state is AttemptState.REJECTED:
        return _doubt_failure(session, matter, word, now)
    loses_track = (
        attempt.state is AttemptState.SENDING
        if word.source is Source.SENDING
        else attempt.state is AttemptState.ACCEPTED
        and word.source in (Source.CALLBACK, Source.NOTICE)
    )
    if loses_track:
        # A refusal is no lost answer, although it proves nothing of what was sent before a restore.
        attempt.ever_unknown |= word.outcome.kind is not OutcomeKind.REJECTED
        attempt.outcome_code = word.outcome.code
        attempt.outcome_message = word.outcome.message
        settlement.move(matter, AttemptState.UNKNOWN, now)
    if word.source in ANSWERS_TO_QUESTIONS:
        return ReportEffect.ASKED  # the next question has its own turn
    return _ask(session, matter, now)


def _ask(session: Session, matter: Matter, now: datetime) -> ReportEffect:
    undecided = matter.attempt.state in LIVE or not matter.payment.failure_confirmed
    if not undecided:
        return ReportEffect.IGNORED
    settlement.ask_at_once(session, matter=matter, now=now)
    return ReportEffect.ASKED


def _contradiction(session: Session, matter: Matter, word: Word, now: datetime) -> ReportEffect:
    """Record what was said in a case; the rail's own answer is asked for."""
    evidence = word.as_evidence(matter)
    if "reference" in word.agreement.contradicted and word.callback_id is not None:
        cases.open_case(
            session,
            kind=CaseKind.UNMATCHED_CALLBACK,
            object_type="callback",
            object_id=word.callback_id,
            summary=f"A callback to {matter.payment.number} is about another payment.",
            evidence=evidence,
            severity=Severity.WARNING,
        )
    else:
        settlement.contradict(
            session,
            payment=matter.payment,
            summary=_summary(matter, word.agreement.contradicted),
            evidence=evidence,
        )
    if not word.is_rails_own:
        settlement.ask_at_once(session, matter=matter, now=now)
    return ReportEffect.CASE


def _summary(matter: Matter, contradicted: tuple[str, ...]) -> str:
    number = matter.payment.number
    if contradicted:
        return f"What was said about {number} does not fit it: {', '.join(contradicted)}."
    return f"What was said about {number} contradicts that it is {matter.payment.status}."


def _receipt_is_taken(session: Session, matter: Matter, word: Word) -> bool:
    """Whether the rail names a receipt that has proven another attempt already."""
    receipt = word.outcome.provider_reference
    if receipt is None:
        return False
    other = session.execute(
        select(PaymentAttempt.id).where(
            PaymentAttempt.provider_account_id == matter.attempt.provider_account_id,
            PaymentAttempt.provider_reference == receipt,
            PaymentAttempt.id != matter.attempt.id,
        ),
        execution_options=db.PREPARED,
    ).first()
    return other is not None


def _proof(word: Word) -> settlement.Proof:
    outcome = word.outcome
    assert outcome.amount is not None, "checked before"
    return settlement.Proof(
        amount=outcome.amount,
        provider_reference=outcome.provider_reference,
        occurred_at=outcome.occurred_at,
        code=outcome.code,
        message=outcome.message,
        fee=outcome.fee if word.is_rails_own else None,
        fee_evidence=word.source.value,
    )


def _remember_ids(attempt: PaymentAttempt, outcome: Outcome) -> None:
    """The rail's own ids, once: callbacks that carry only these are matched by them."""
    found: Mapping[str, str | None] = {
        "conversation_id": outcome.conversation_id,
        "provider_originator_id": outcome.provider_originator_id,
    }
    for name, value in found.items():
        if value is not None and getattr(attempt, name) is None:
            setattr(attempt, name, value)
