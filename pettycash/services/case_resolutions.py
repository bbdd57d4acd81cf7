"""How cases about money end: two people say what happened, with evidence, and the books follow.

Neither of the two released or made the payment, asked for it or gets it. What they agree on is a
fact from then on: `paid` settles it, `not_paid` fails it, `returned` reverses it; a later proof of
the contrary is a fact again, and a new case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash import errors
from pettycash.crash_points import reach
from pettycash.models.attempts import LIVE, AttemptState, ExchangeType, PaymentAttempt
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.platform import Case, CaseKind
from pettycash.models.requisitions import Requisition
from pettycash.services import cases, duties, outbox, pauses, releases, replenishments
from pettycash.services.actors import Actor
from pettycash.services.duties import Duty
from pettycash.services.payments import exchanges, facts, restored, settlement
from pettycash.services.payments.facts import Matter

ABOUT_MONEY = frozenset({CaseKind.IN_DOUBT, CaseKind.CONTRADICTION})


class Ending(StrEnum):
    """What two people say about a case."""

    PAID = "paid"  # the money reached the payee
    NOT_PAID = "not_paid"  # it never left
    RETURNED = "returned"  # it was booked as paid, and came back or never left after all
    NOTED = "noted"  # nothing follows for the payment: looked into, understood
    LOST = "lost"  # the rest of a short delivery will not come


class EndingDoesNotFit(errors.RuleViolation):
    """A case of this kind, or a payment in this state, does not end like that."""

    code = "case.ending_does_not_fit"


class EvidenceMissing(errors.RuleViolation):
    """This ending needs evidence: a note, and for `paid` the rail's reference."""

    code = "case.evidence_required"


class ReferenceTaken(errors.RuleViolation):
    """The provider reference proves another payment already."""

    code = "case.reference_taken"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What one person proposes and another one confirms."""

    ending: Ending
    note: str
    provider_reference: str | None = None
    amount: Decimal | None = None
    occurred_at: datetime | None = None
    attempt_number: int | None = None
    """Which attempt is meant; None: the newest that is not proven paid."""

    def as_json(self) -> dict[str, Any]:
        return {
            "ending": self.ending.value,
            "note": self.note,
            "provider_reference": self.provider_reference,
            "amount": None if self.amount is None else str(self.amount),
            "occurred_at": None if self.occurred_at is None else self.occurred_at.isoformat(),
            "attempt_number": self.attempt_number,
        }

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "Proposal":
        amount, occurred_at = stored["amount"], stored["occurred_at"]
        return cls(
            ending=Ending(stored["ending"]),
            note=stored["note"],
            provider_reference=stored["provider_reference"],
            amount=None if amount is None else Decimal(amount),
            occurred_at=None if occurred_at is None else datetime.fromisoformat(occurred_at),
            attempt_number=stored["attempt_number"],
        )


def propose(
    session: Session, *, case_id: UUID, proposal: Proposal, actor: Actor, now: datetime
) -> Case:
    """Say how a case ended; nothing follows until a second person confirms.

    Raises:
        CaseNotFound, CaseResolved, ProposalStands, NotAResolver: see `cases.propose`.
        NotSeparate: the actor has a duty about the money that excludes this one.
        EvidenceMissing, EndingDoesNotFit, ReferenceTaken: it can't end like that.
    """
    case = cases.get(session, case_id=case_id)
    subject = _locked(session, case, actor)
    _check(session, case, subject, proposal)
    if proposal.ending is Ending.LOST:
        _lock_delivery(session, case, actor)
    case = cases.propose(
        session, case_id=case_id, proposal=proposal.as_json(), actor=actor, now=now
    )
    reach("cases.proposed")
    return case


def confirm(session: Session, *, case_id: UUID, version: int, actor: Actor, now: datetime) -> Case:
    """Agree to what version `version` of the case proposes, as a second person; payment and books
    follow in the same transaction.

    Raises:
        CaseNotFound, CaseResolved, NothingProposed, OwnProposal, NotAResolver, CaseChanged: see
            `cases.confirm`.
        NotSeparate: the actor has such a duty, or both people have approved it.
        EndingDoesNotFit, ReferenceTaken: what happened meanwhile speaks against it.
    """
    case = cases.get(session, case_id=case_id)
    # What it is about before the case: the order of everybody who opens one. What is proposed is
    # read after the last lock; kind and object of a case never change.
    subject = _locked(session, case, actor)
    if case.kind is CaseKind.SHORT_DELIVERY:
        _lock_delivery(session, case, actor)
    case = cases.confirm(session, case_id=case_id, version=version, actor=actor, now=now)
    _check_judges(case, subject)
    session.flush()  # a further case of this kind may be opened by what follows
    reach("cases.confirmed")
    assert case.proposal is not None
    proposal = Proposal.of_json(case.proposal)
    matter = _matter(subject, proposal)
    _check(session, case, subject, proposal)
    if proposal.ending is Ending.LOST:
        replenishments.write_off_rest(
            session, replenishment_id=case.object_id, actor=actor, now=now
        )
    if matter is not None:
        if proposal.ending is not Ending.NOTED:
            _carry_out(session, matter=matter, proposal=proposal, case=case, now=now)
        if matter.payment.blocked_by_case_id == case.id:
            matter.payment.blocked_by_case_id = None
            matter.payment.version += 1
            queued = select(PaymentAttempt.id).where(
                PaymentAttempt.payment_id == matter.payment.id,
                PaymentAttempt.state == AttemptState.QUEUED,
            )
            outbox.wake(session, topic=pauses.SENDING, keys=queued)
    reach("cases.carried_out")
    return case


def decline(session: Session, *, case_id: UUID, version: int, reason: str, actor: Actor) -> Case:
    """Disagree with what version `version` of the case proposes; the case is open again.

    Raises:
        as `cases.decline`.
    """
    return cases.decline(session, case_id=case_id, version=version, reason=reason, actor=actor)


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """The payment that a case is about, locked, with its attempts, the newest first."""

    requisition: Requisition
    payment: Payment
    attempts: Sequence[PaymentAttempt]
    approvers: frozenset[UUID]


def _locked(session: Session, case: Case, actor: Actor) -> _Subject | None:
    """Lock the payment of the case, which the actor may judge; None for other things."""
    if case.object_type == restored.CALLBACK:
        if actor.user_id in restored.payees_told(session, callback_id=case.object_id):
            raise releases.NotSeparate("Who gets money does not say that it may be paid again.")
        return None
    if case.object_type != "payment":
        return None
    requisition, payment = facts.locked(session, payment_id=case.object_id)
    known = duties.holders(session, requisition_id=requisition.id)
    own = duties.others(known, Duty.JUDGE).get(actor.user_id)
    if own is not None:
        raise duties.refusal(own, Duty.JUDGE)
    attempts = session.execute(
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == payment.id)
        .order_by(PaymentAttempt.number.desc())
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalars()
    return _Subject(
        requisition=requisition,
        payment=payment,
        attempts=attempts.all(),
        approvers=known[Duty.APPROVER],
    )


def _check_judges(case: Case, subject: _Subject | None) -> None:
    """Of the two who say what became of money, at most one has approved it."""
    if subject is not None and {case.proposed_by, case.resolved_by} <= subject.approvers:
        raise releases.NotSeparate("You and who proposed it have approved the money, both of you.")


def _lock_delivery(session: Session, case: Case, actor: Actor) -> None:
    """The replenishment before its case, as its receipt does; its own people don't judge it."""
    found = replenishments.locked(session, actor=actor, replenishment_id=case.object_id)
    if actor.user_id in (found.funded_by, found.received_by):
        raise releases.NotSeparate("Who sent or received a transfer does not say what is lost.")


def _matter(subject: _Subject | None, proposal: Proposal) -> Matter | None:
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
    return Matter(requisition=subject.requisition, payment=subject.payment, attempt=candidates[0])


def _check(session: Session, case: Case, subject: _Subject | None, proposal: Proposal) -> None:
    matter = _matter(subject, proposal)
    if not proposal.note.strip():
        raise EvidenceMissing(errors={"note": ["Say what you found, and where."]})
    _check_kind(case, proposal)
    if proposal.ending is Ending.LOST:
        return
    if proposal.ending is Ending.NOTED:
        # What never left is not in doubt: the case is about another attempt, and blocks this one.
        if (
            case.kind in ABOUT_MONEY
            and matter is not None
            and restored.may_have_left(matter.attempt)
            and _is_undecided(matter)
        ):
            raise EndingDoesNotFit("What became of the money is still open: paid or not paid?")
        if case.kind in ABOUT_MONEY and subject is not None:
            _check_no_doubt(subject)
        return
    if case.kind not in ABOUT_MONEY or matter is None:
        raise EndingDoesNotFit(f"A case of {case.kind} is only noted.")
    match proposal.ending:
        case Ending.PAID:
            _check_paid(session, matter, proposal)
        case Ending.NOT_PAID:
            _check_not_paid(matter)
        case Ending.RETURNED:
            _check_returned(matter, proposal)


def _check_no_doubt(subject: _Subject) -> None:
    """What becomes of the newest attempt does not end the doubt about one before it."""
    for each in subject.attempts:
        if each.state is AttemptState.REJECTED and each.failure_confirmed_at is None:
            raise EndingDoesNotFit(f"What became of attempt {each.number} is still open.")


def _check_kind(case: Case, proposal: Proposal) -> None:
    if case.kind is CaseKind.RELEASE_LOCKED:
        raise EndingDoesNotFit("It ends with unlock_release.")
    if (case.kind is CaseKind.SHORT_DELIVERY) is not (proposal.ending is Ending.LOST):
        # Money in transit stays a case until it is received or given up.
        raise EndingDoesNotFit("A short delivery ends with its receipt, or is lost.")


def _check_paid(session: Session, matter: Matter, proposal: Proposal) -> None:
    if matter.attempt.state is AttemptState.SETTLED:
        raise EndingDoesNotFit("It is proven paid already.")
    if not (proposal.provider_reference or "").strip():
        raise EvidenceMissing(errors={"provider_reference": ["The rail's receipt or reference."]})
    taken = session.execute(
        select(PaymentAttempt.id).where(
            PaymentAttempt.provider_account_id == matter.attempt.provider_account_id,
            PaymentAttempt.provider_reference == proposal.provider_reference,
        )
    ).first()
    if taken is not None:
        raise ReferenceTaken(errors={"provider_reference": ["It proves another payment."]})


def _check_not_paid(matter: Matter) -> None:
    if not _is_undecided(matter):
        raise EndingDoesNotFit(f"The attempt is {matter.attempt.state} already.")
    if not restored.may_have_left(matter.attempt):
        raise EndingDoesNotFit("Nothing of it was sent yet.")


def _check_returned(matter: Matter, proposal: Proposal) -> None:
    is_paid = matter.payment.status is PaymentStatus.SUCCESS
    if not is_paid or matter.attempt.state is not AttemptState.SETTLED:
        raise EndingDoesNotFit("Only what is booked as paid comes back.")
    if proposal.amount not in (None, matter.payment.paid_amount):
        raise EndingDoesNotFit("A part that came back is a variance.")


def _is_undecided(matter: Matter) -> bool:
    return matter.attempt.state in LIVE or (
        matter.attempt.failure_confirmed_at is None
        and (matter.attempt.state is AttemptState.REJECTED)
    )


def _carry_out(
    session: Session, *, matter: Matter, proposal: Proposal, case: Case, now: datetime
) -> None:
    is_paid = proposal.ending is Ending.PAID
    is_back = proposal.ending is Ending.RETURNED
    message = f"Two people settled the case: {proposal.note}"[:500]
    exchanges.log_own(
        session,
        payment=matter.payment,
        attempt=matter.attempt,
        request_type=ExchangeType.REFUND if is_back else ExchangeType.CONFIRM,
        status="settled" if is_paid or is_back else "rejected",
        code=f"people.{proposal.ending.value}",
        message=message,
        request={
            "case_id": str(case.id),
            "proposed_by": str(case.proposed_by),
            "confirmed_by": str(case.resolved_by),
        },
        success=is_paid or is_back,
    )
    proof = settlement.Proof(
        amount=proposal.amount or matter.attempt.settled_amount or matter.attempt.amount,
        provider_reference=proposal.provider_reference,
        occurred_at=proposal.occurred_at,
        code=f"people.{proposal.ending.value}",
        message=message,
        by_people=True,
    )
    if is_paid:
        settlement.settle(session, matter=matter, proof=proof, now=now)
    elif is_back:
        settlement.reverse(session, matter=matter, proof=proof, now=now)
    elif matter.attempt.state in LIVE:
        settlement.fail(
            session,
            matter=matter,
            code="people.not_paid",
            message=message,
            confirmed=True,
            now=now,
        )
    else:
        settlement.confirm_failure(session, matter=matter, now=now)
