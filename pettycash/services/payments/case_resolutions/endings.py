"""Each ending of a case has its conditions before anybody may agree to it (control.md §4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseKind
from pettycash.models.payments import LIVE, AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.requisitions import Attachment, Requisition
from pettycash.services.foundation import duties
from pettycash.services.foundation.duties import Duty, NotSeparate
from pettycash.services.foundation.references import spelt_like
from pettycash.services.payments import facts, restored, settlement
from pettycash.services.payments.case_resolutions.proposals import (
    CaseProposal,
    Ending,
    EndingDoesNotFit,
    EvidenceMissing,
    ReferenceTaken,
    TooEarly,
)
from pettycash.services.payments.facts import LockedAttempt

ABOUT_MONEY = frozenset({CaseKind.IN_DOUBT, CaseKind.CONTRADICTION})

A_DAY = timedelta(days=1)
"""How long a rail is tried, at least, before people may declare a payment unpaid."""


@dataclass(frozen=True, kw_only=True)
class CaseSubject:
    """The payment that a case is about, locked, with its attempts, the newest first."""

    requisition: Requisition
    payment: Payment
    attempts: Sequence[PaymentAttempt]


def locked_attempt_of(subject: CaseSubject | None, proposal: CaseProposal) -> LockedAttempt | None:
    """The attempt that is meant: by default the newest that is not proven paid, or else the newest;
    what came back was proven paid.
    """
    if subject is None:
        return None
    number, is_back = proposal.attempt_number, proposal.ending is Ending.RETURNED
    candidates = [each for each in subject.attempts if number in (None, each.number)]
    candidates.sort(key=lambda each: (each.state is AttemptState.SETTLED) is not is_back)
    if not candidates:
        return None
    return LockedAttempt(
        requisition=subject.requisition, payment=subject.payment, attempt=candidates[0]
    )


def fitting(case: Case) -> Sequence[Ending]:
    """The endings that a case of this kind can have; what else each asks for is `check`'s."""
    if case.kind is CaseKind.RELEASE_LOCKED:
        return ()
    if case.kind is CaseKind.SHORT_DELIVERY:
        return (Ending.LOST,)
    return (*_OF_MONEY, Ending.NOTED) if case.kind in ABOUT_MONEY else (Ending.NOTED,)


_OF_MONEY = (Ending.PAID, Ending.NOT_PAID, Ending.RETURNED)


def check(
    session: Session,
    case: Case,
    subject: CaseSubject | None,
    proposal: CaseProposal,
    now: datetime,
) -> None:
    locked = locked_attempt_of(subject, proposal)
    if not proposal.note.strip():
        raise EvidenceMissing(errors={"note": ["Say what you found, and where."]})
    _check_kind(case, proposal)
    if proposal.ending is Ending.LOST:
        return
    if proposal.ending is Ending.NOTED:
        # What never left is not in doubt: the case is about another attempt, and blocks this one.
        if (
            case.kind in ABOUT_MONEY
            and locked is not None
            and restored.may_have_left(locked.attempt)
            and _is_undecided(locked)
        ):
            raise EndingDoesNotFit(
                "The outcome of the payment is still open: decide paid or not paid first."
            )
        if case.kind in ABOUT_MONEY and subject is not None:
            _check_no_doubt(subject)
        return
    if case.kind not in ABOUT_MONEY or locked is None:
        raise EndingDoesNotFit(f"A case of {case.kind} can only be noted.")
    match proposal.ending:
        case Ending.PAID:
            _check_paid(session, locked, proposal)
        case Ending.NOT_PAID:
            _check_not_paid(locked, now)
        case Ending.RETURNED:
            _check_returned(session, locked, proposal)
    _check_time(locked, proposal, now)
    _check_file(session, case, locked, proposal)


def _check_no_doubt(subject: CaseSubject) -> None:
    """Refuse while the outcome of any attempt is open, also of one before the newest."""
    for each in subject.attempts:
        if _is_unconfirmed(each):
            raise EndingDoesNotFit(f"The outcome of attempt {each.number} is still open.")


def _check_kind(case: Case, proposal: CaseProposal) -> None:
    if case.kind is CaseKind.RELEASE_LOCKED:
        raise EndingDoesNotFit("This case ends with unlock_release.")
    if (case.kind is CaseKind.SHORT_DELIVERY) is not (proposal.ending is Ending.LOST):
        # Money in transit stays a case until it is received or given up.
        raise EndingDoesNotFit("A short delivery ends with its receipt, or is lost.")


def _check_paid(session: Session, locked: LockedAttempt, proposal: CaseProposal) -> None:
    if locked.attempt.state is AttemptState.SETTLED:
        raise EndingDoesNotFit("The payment is proven paid already.")
    if not restored.may_have_left(locked.attempt):
        raise EndingDoesNotFit("The payment was not sent yet.")
    _check_reference(session, locked, proposal, what="The rail's receipt or reference.")
    if proposal.occurred_at is None:
        raise EvidenceMissing(errors={"occurred_at": ["Say when it happened."]})


def _check_not_paid(locked: LockedAttempt, now: datetime) -> None:
    if not _is_undecided(locked):
        raise EndingDoesNotFit(f"The attempt is {locked.attempt.state} already.")
    if not restored.may_have_left(locked.attempt):
        raise EndingDoesNotFit("The payment was not sent yet.")
    possible = not_paid_from(locked.attempt, now)
    if possible > now:
        raise TooEarly(
            f"It can be called unpaid from {possible.isoformat()} on: after its decide-by time,"
            " a day of trying, and a question to the rail since then."
        )


def _check_returned(session: Session, locked: LockedAttempt, proposal: CaseProposal) -> None:
    is_paid = locked.payment.status is PaymentStatus.SUCCESS
    if not is_paid or locked.attempt.state is not AttemptState.SETTLED:
        raise EndingDoesNotFit("Only what is booked as paid comes back.")
    _check_reference(session, locked, proposal, what="The provider's reference of the return.")


def _check_reference(
    session: Session, locked: LockedAttempt, proposal: CaseProposal, *, what: str
) -> None:
    reference = (proposal.provider_reference or "").strip()
    if not reference:
        raise EvidenceMissing(errors={"provider_reference": [what]})
    account_id = locked.payment.provider_account_id
    paid = select(PaymentAttempt.id).where(
        PaymentAttempt.provider_account_id == locked.attempt.provider_account_id,
        spelt_like(PaymentAttempt.provider_reference, reference),
    )
    back = select(Payment.id).where(
        Payment.provider_account_id == account_id,
        spelt_like(Payment.return_reference, reference),
    )
    if session.execute(paid.union_all(back)).first() is not None:
        raise ReferenceTaken(
            errors={"provider_reference": ["The reference proves another payment."]}
        )


def _check_time(locked: LockedAttempt, proposal: CaseProposal, now: datetime) -> None:
    """Require a time after the first byte (statements are exact to the minute) and before now."""
    since = settlement.first_possible(locked).replace(second=0, microsecond=0)
    if proposal.occurred_at is not None and not since <= proposal.occurred_at <= now:
        raise EvidenceMissing(
            errors={"occurred_at": [f"The time must lie between {since.isoformat()} and now."]}
        )


def _check_file(
    session: Session, case: Case, locked: LockedAttempt, proposal: CaseProposal
) -> None:
    """Evidence is a file of the case, or one that came to the requisition after it was sent."""
    found = session.get(Attachment, proposal.evidence_id) if proposal.evidence_id else None
    is_of_the_case = found is not None and found.case_id == case.id
    is_of_the_requisition = (
        found is not None
        and found.requisition_id == locked.requisition.id
        and found.created_at >= restored.asked_since(locked.attempt)
    )
    if found is None or not (is_of_the_case or is_of_the_requisition):
        raise EvidenceMissing(
            errors={"evidence_id": ["Name a file that was uploaded to the case as evidence."]}
        )
    if found.uploaded_by in duties.barred(
        session, duty=Duty.RECORDER, requisition_id=locked.requisition.id
    ):
        raise NotSeparate("The requester or recipient of money can't record evidence of it.")
    if found.uploaded_by in facts.custodians(session, locked.payment):
        raise NotSeparate(
            "A custodian of the fund may file receipts, but no evidence of an outcome."
        )


def not_paid_from(attempt: PaymentAttempt, now: datetime) -> datetime:
    """From when on two people may call an attempt unpaid, as far as it is known by now.

    Not before its decide-by time; where a rail can be asked, not before a day of trying is over
    and it was asked since.
    """
    if attempt.provider_account_id is None:
        return attempt.decide_by
    sent_at = attempt.last_sent_at or restored.asked_since(attempt)
    possible = max(attempt.decide_by, sent_at + A_DAY)
    asked_at = attempt.last_query_at
    if asked_at is None or asked_at < max(attempt.decide_by, sent_at):
        # The answer to a question that is still to be put, and to be heard.
        next_at = max(now, attempt.next_query_at or now)
        possible = max(possible, next_at + timedelta(minutes=1))
    return possible


def _is_undecided(locked: LockedAttempt) -> bool:
    return locked.attempt.state in LIVE or _is_unconfirmed(locked.attempt)


def _is_unconfirmed(attempt: PaymentAttempt) -> bool:
    """Whether neither the rail nor two people have said that it failed."""
    return (
        attempt.state is AttemptState.REJECTED
        and attempt.failure_confirmed_at is None
        and attempt.called_unpaid_at is None
    )
