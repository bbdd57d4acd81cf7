"""How cases about money end: two judges say what happened, with evidence, and the books follow.

Who judges is `judging`. What they agree on is a fact from then on: `paid` settles the attempt
for its own amount, `not_paid` fails it and leaves it asked about, `returned` reverses the payment;
a later proof of the contrary is a fact again, and a new case (control.md §4).
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import Fund, Replenishment
from pettycash.models.operations import Case, CaseKind
from pettycash.models.payments import AttemptState, GatewayExchangeType, Payment, PaymentAttempt
from pettycash.models.requisitions import Attachment, Requisition
from pettycash.runtime.crash_points import crash_point
from pettycash.services.foundation import company_settings, outbox
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import funds, replenishments
from pettycash.services.operations import cases, pauses
from pettycash.services.payments import facts, gateway_exchanges, restored, settlement
from pettycash.services.payments.case_resolutions import judging
from pettycash.services.payments.case_resolutions.endings import (
    CaseSubject,
    check,
    locked_attempt_of,
)
from pettycash.services.payments.case_resolutions.proposals import CaseProposal, Ending
from pettycash.services.payments.facts import LockedAttempt


def propose(uow: Uow, *, case_id: UUID, proposal: CaseProposal) -> Case:
    """Say how a case ended; nothing follows until a second person confirms.

    Raises:
        CaseNotFound, AlreadyDecided, ProposalStands, NotAProposer: see `cases.propose`.
        NotSeparate: another duty of the actor's excludes judging it.
        JudgeMissing: nobody could be the second judge.
        EvidenceMissing, EndingDoesNotFit, ReferenceTaken: it can't end like that.
        TooEarly: it can't be called unpaid yet.
    """
    # As it is compared, so is it kept.
    reference = (proposal.provider_reference or "").strip() or None
    proposal = replace(proposal, provider_reference=reference)
    case = cases.get(uow.session, case_id=case_id, actor=uow.actor)
    subject = _locked(uow, case)
    among = _bench(uow.session, case, subject, proposal, uow.now)
    if subject is not None and among is not None:
        judging.check_proposer(uow, among=among, requisition_id=subject.requisition.id)
    check(uow.session, case, subject, proposal, uow.now)
    if proposal.ending is Ending.LOST:
        _lock_delivery(uow, case)
    case = cases.propose(uow, case_id=case_id, proposal=proposal.as_json())
    if among is not None and among.is_escalated(uow.actor.user_id):
        case.owner_id = among.stand_in  # who sees and ends nothing but what is theirs
    crash_point("cases.proposed")
    return case


def confirm(uow: Uow, *, case_id: UUID, version: int) -> Case:
    """Agree to what version `version` of the case proposes, as a second person; payment and books
    follow in the same transaction.

    Raises:
        CaseNotFound, AlreadyDecided, NothingProposed, OwnProposal, NotADecider, StaleDecision: see
            `cases.confirm`.
        NotSeparate, HeadRequired: this actor may not judge it, or not with this proposer.
        EndingDoesNotFit, ReferenceTaken: what happened meanwhile speaks against it.
    """
    session = uow.session
    case = cases.get(session, case_id=case_id, actor=uow.actor)
    # What it is about before the case: the order of everybody who opens one. What is proposed is
    # read after the last lock; kind and object of a case never change.
    subject = _locked(uow, case)
    if case.kind is CaseKind.SHORT_DELIVERY:
        _lock_delivery(uow, case)
    case = cases.to_confirm(uow, case_id=case_id, version=version)
    assert case.proposal is not None
    proposal = CaseProposal.of_json(case.proposal)
    locked = locked_attempt_of(subject, proposal)
    among = _bench(session, case, subject, proposal, uow.now)
    if subject is not None and among is not None:
        assert case.proposed_by is not None
        judging.check_confirmer(
            uow, among=among, requisition_id=subject.requisition.id, proposer=case.proposed_by
        )
    check(session, case, subject, proposal, uow.now)
    # Written once it is allowed: the database refuses the same, and could not say why.
    cases.confirm(uow, case_id=case_id, version=version)
    session.flush()  # a further case of this kind may be opened by what follows
    crash_point("cases.confirmed")
    if proposal.ending is Ending.LOST:
        replenishments.write_off_rest(uow, replenishment_id=case.object_id)
    if locked is not None:
        if proposal.ending is not Ending.NOTED:
            _carry_out(session, locked=locked, proposal=proposal, case=case, now=uow.now)
        if locked.payment.blocked_by_case_id == case.id:
            locked.payment.blocked_by_case_id = None
            locked.payment.version += 1
            queued = select(PaymentAttempt.id).where(
                PaymentAttempt.payment_id == locked.payment.id,
                PaymentAttempt.state == AttemptState.QUEUED,
            )
            outbox.wake(session, topic=pauses.SENDING, keys=queued)
    crash_point("cases.carried_out")
    return case


def check_resolving(uow: Uow, case: Case) -> None:
    """Refuse who may not judge a case as it stands: propose its end, or confirm what is proposed.

    Whether it can end so is not looked at.

    Raises:
        AlreadyDecided, NotAProposer, NotADecider, OwnProposal: see `cases.check_resolving`.
        NotSeparate, JudgeMissing, HeadRequired: as `propose` and `confirm`.
    """
    session = uow.session
    cases.check_resolving(Uow(session, uow.actor, uow.now), case)
    _check_payees(uow, case)
    if case.kind is CaseKind.SHORT_DELIVERY:
        _check_delivery(uow, session.get_one(Replenishment, case.object_id))
    if case.object_type != "payment":
        return
    payment = session.get_one(Payment, case.object_id)
    requisition_id = payment.requisition_id
    if case.proposal is None or case.proposed_by is None:
        bench = judging.bench(session, requisition_id=requisition_id, now=uow.now)
        judging.check_proposer(uow, among=bench, requisition_id=requisition_id)
        return
    subject = CaseSubject(
        requisition=session.get_one(Requisition, requisition_id),
        payment=payment,
        attempts=session.execute(_attempts_of(payment)).scalars().all(),
    )
    among = _bench(session, case, subject, CaseProposal.of_json(case.proposal), uow.now)
    assert among is not None, "a payment has judges"
    judging.check_confirmer(
        uow, among=among, requisition_id=requisition_id, proposer=case.proposed_by
    )


def decline(uow: Uow, *, case_id: UUID, version: int, reason: str) -> Case:
    """Disagree with what version `version` of the case proposes; the case is open again.

    Raises:
        as `cases.decline`.
    """
    return cases.decline(uow, case_id=case_id, version=version, reason=reason)


def _locked(uow: Uow, case: Case) -> CaseSubject | None:
    """Lock the payment of the case; None for other things."""
    _check_payees(uow, case)
    if case.object_type != "payment":
        return None
    requisition, payment = facts.locked(uow.session, payment_id=case.object_id)
    attempts = uow.session.execute(
        _attempts_of(payment)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalars()
    return CaseSubject(requisition=requisition, payment=payment, attempts=attempts.all())


def _attempts_of(payment: Payment) -> Select[PaymentAttempt]:
    return (
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == payment.id)
        .order_by(PaymentAttempt.number.desc())
    )


def _check_payees(uow: Uow, case: Case) -> None:
    if case.object_type != restored.CALLBACK:
        return
    if uow.actor.user_id in restored.payees_told(uow.session, callback_id=case.object_id):
        raise NotSeparate(
            "You get this money: another person must decide that it may be paid again."
        )


def _bench(
    session: Session,
    case: Case,
    subject: CaseSubject | None,
    proposal: CaseProposal,
    now: datetime,
) -> judging.Bench | None:
    """The people who may judge this ending; None where the case is about no payment."""
    if subject is None:
        return None
    recorder = None
    if proposal.evidence_id is not None:
        evidence = session.get(Attachment, proposal.evidence_id)
        recorder = evidence.uploaded_by if evidence is not None else None
    return judging.bench(
        session,
        requisition_id=subject.requisition.id,
        heads=_heads(session, case, subject, proposal, now),
        recorder=recorder,
        now=now,
    )


def _heads(
    session: Session, case: Case, subject: CaseSubject, proposal: CaseProposal, now: datetime
) -> frozenset[Role]:
    """One of whom has to be a judge of it; empty: any two."""
    payment, locked = subject.payment, locked_attempt_of(subject, proposal)
    # Until a statement or a balance can tell that the store has the money again.
    if proposal.ending is Ending.RETURNED and not (
        locked is not None and gateway_exchanges.denies(session, locked.attempt)
    ):
        return judging.CFO
    limit = company_settings.cfo_limit(session, currency=payment.currency, now=now)
    if (
        proposal.ending is Ending.NOT_PAID  # what the rail confirms needs no judges
        or (proposal.ending is Ending.NOTED and _is_unpaid_by_people(session, subject))
        or payment.amount > limit
        or _is_about_an_amount(case)
    ):
        return judging.HEADS
    return frozenset()


def _is_unpaid_by_people(session: Session, subject: CaseSubject) -> bool:
    """Whether people alone say of an attempt that it failed: what speaks against it is not noted
    by less than those who said so."""
    return any(
        each.called_unpaid_at is not None
        and each.state is AttemptState.REJECTED
        and not gateway_exchanges.denies(session, each)
        for each in subject.attempts
    )


def _is_about_an_amount(case: Case) -> bool:
    """Whether the rail told another amount than was instructed, now or earlier."""
    for told in (case.evidence, *case.evidence.get(cases.EARLIER, ())):
        if "amount" in (told.get("contradicts") or ()):
            return True
        said, instructed = told.get("amount_said"), told.get("amount_instructed")
        if said is not None and instructed is not None and Decimal(said) != Decimal(instructed):
            return True
    return False


def _lock_delivery(uow: Uow, case: Case) -> None:
    """The replenishment before its case, as its receipt does; its own people don't judge it."""
    found = replenishments.locked(uow, replenishment_id=case.object_id)
    _check_delivery(uow, found)


def _check_delivery(uow: Uow, found: Replenishment) -> None:
    fund = uow.session.get_one(Fund, found.fund_id)
    if uow.actor.user_id in (found.funded_by, found.received_by) or funds.is_keeper(
        fund, uow.actor.user_id
    ):
        raise NotSeparate(
            "You sent or received the transfer, or keep its fund: another person must decide."
        )


def _carry_out(
    session: Session, *, locked: LockedAttempt, proposal: CaseProposal, case: Case, now: datetime
) -> None:
    is_paid = proposal.ending is Ending.PAID
    is_back = proposal.ending is Ending.RETURNED
    message = f"Two people settled the case: {proposal.note}"[:500]
    asked_at = locked.attempt.last_query_at
    gateway_exchanges.log_own(
        session,
        payment=locked.payment,
        attempt=locked.attempt,
        request_type=GatewayExchangeType.REFUND if is_back else GatewayExchangeType.CONFIRM,
        status="settled" if is_paid or is_back else "rejected",
        code=f"people.{proposal.ending.value}",
        message=message,
        request={
            "case_id": str(case.id),
            "proposed_by": str(case.proposed_by),
            "confirmed_by": str(case.decided_by),
            "evidence_id": str(proposal.evidence_id),
            "asked_at": asked_at.isoformat() if asked_at is not None else None,
        },
        success=is_paid or is_back,
    )
    proof = settlement.Proof(
        # What the rail does not prove is never another amount than what was released.
        amount=(locked.payment.paid_amount if is_back else None) or locked.attempt.amount,
        provider_reference=proposal.provider_reference,
        occurred_at=proposal.occurred_at,
        code=f"people.{proposal.ending.value}",
        message=message,
        by_people=True,
    )
    if is_paid:
        settlement.settle(session, locked=locked, proof=proof, now=now)
    elif is_back:
        settlement.reverse(session, locked=locked, proof=proof, now=now)
    else:
        settlement.call_unpaid(session, locked=locked, message=message, now=now)
