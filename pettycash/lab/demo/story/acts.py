"""The acts of the story, through the services, each at its own instant."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.gateways.base import (
    GatewayExchange,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    RequestType,
)
from pettycash.lab.demo.story import content
from pettycash.lab.demo.story.cast import Cast
from pettycash.lab.demo.story.plan import Act, Ending, Event, Item
from pettycash.models.approvals import ApprovalStep, Origin, StepAssignee, StepStatus
from pettycash.models.imprest import (
    Fund,
    Replenishment,
    ReplenishmentStatus,
    VarianceAdjustment,
    VarianceKind,
    VarianceStatus,
)
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt
from pettycash.models.releases import CashAcknowledgement, ChallengeSend
from pettycash.models.requisitions import Requisition, RequisitionKind
from pettycash.runtime import errors
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Rail
from pettycash.services import payments, releases, requisitions
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments, variances
from pettycash.services.payments import facts, treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.requisitions import DraftLine, RequisitionDraft, deciding, lifecycle

MAKER, RELEASER, REVIEWER = "treasury", "treasury_2", "fpa"
CUSTODIANS = {"MOMBASA": "custodian_mombasa", "HQ": "custodian_hq"}
SENT = frozenset({AttemptState.SENDING, AttemptState.UNKNOWN})
"""Of the two the second, where the system has taken the teller for gone."""

UNKNOWN_NUMBER = "2040"
"""The rail's code for a receiver who is no customer of it."""

MISSING = Decimal(1500)
"""So much of the second refill of a fund does not arrive."""


class NotYet(errors.Conflict):
    """There is nothing to act on: somebody else was here."""

    code = "story.not_yet"


class Stage:
    """One chapter being written: its session, its people, and what the rail has said."""

    def __init__(
        self, session: Session, cast: Cast, told: Mapping[str, Outcome], really: datetime
    ) -> None:
        self.session = session
        self.cast = cast
        self.told = told
        self.really = really

    def play(self, event: Event) -> None:
        """Do one act.

        Raises:
            errors.PettycashError: the services refuse it, as people have been here meanwhile.
        """
        self.session.info["now"] = event.at
        self.at = event.at
        if event.item is not None:
            OF_ITEM[event.act](self, event.item)
        else:
            OF_FUND[event.act](self, event.place)
        self.session.flush()

    def uow(self, name: str) -> Uow:
        return Uow(self.session, self.cast.actor(name), self.at)

    def requisition(self, item: Item) -> UUID:
        return self.session.execute(
            select(Requisition.id).where(
                Requisition.external_reference == item.reference,
                Requisition.requester_id == self.cast.actor(item.requester).user_id,
            )
        ).scalar_one()

    def payment(self, item: Item) -> Payment:
        """The first one of a requisition, since only that is sent."""
        found = self.session.execute(
            select(Payment)
            .where(Payment.requisition_id == self.requisition(item))
            .order_by(Payment.ordinal)
            .limit(1)
        ).scalar_one_or_none()
        if found is None:
            raise NotYet
        return found

    def digest(self, requisition_id: UUID) -> str:
        latest = rounds.latest(self.session, requisition_id)
        if latest is None:
            raise NotYet
        return rounds.decision_digest(latest)

    def approver(self, requisition_id: UUID) -> str:
        """The username of one of those who have to decide now."""
        found = self.session.execute(
            select(StepAssignee.user_id)
            .join(ApprovalStep, ApprovalStep.id == StepAssignee.step_id)
            .where(
                ApprovalStep.subject_id == requisition_id, ApprovalStep.status == StepStatus.OPEN
            )
            .order_by(StepAssignee.user_id)
            .limit(1)
        ).scalar_one_or_none()
        if found is None:
            raise NotYet
        return self.cast.name(found)

    def refill(self, place: str, status: ReplenishmentStatus) -> Replenishment:
        found = self.session.execute(
            select(Replenishment)
            .join(Fund, Fund.id == Replenishment.fund_id)
            .where(Fund.code == place, Replenishment.status == status)
            .order_by(Replenishment.number.desc())
            .limit(1)
        ).scalar_one_or_none()
        if found is None or found.status_changed_at >= self.at:
            raise NotYet
        return found

    def code(self, challenge_id: UUID) -> str:
        """Do the worker's part: make the code. Nobody is sent it; its addressee reads it here."""
        send_id = self.session.execute(
            select(ChallengeSend.id)
            .where(ChallengeSend.challenge_id == challenge_id)
            .order_by(ChallengeSend.sequence.desc())
            .limit(1)
        ).scalar_one()
        message = releases.make_code(self.session, send_id=send_id, now=self.at)
        if message is None:
            raise NotYet
        releases.code_delivered(self.session, send_id=send_id, message=message, now=self.at)
        return message.text.split()[0]


def claim_of(session: Session, attempt: PaymentAttempt) -> payments.Claim | None:
    """The claim under which an attempt was sent; None where it is decided, or sent once more."""
    if attempt.state not in SENT or attempt.claim is None:
        return None
    payment = session.get_one(Payment, attempt.payment_id)
    return payments.Claim(
        token=attempt.claim,
        attempt_id=attempt.id,
        payment_id=payment.id,
        rail=payment.method,
        instruction=payments.instruction_of(session, attempt),
    )


def outcome(
    kind: OutcomeKind,
    instruction: PayoutInstruction,
    code: str,
    message: str,
    *,
    to: RequestType = RequestType.INITIATE,
    **more: object,
) -> Outcome:
    """What the rail has said of an instruction, or to a question about it."""
    exchange = GatewayExchange(
        request_type=to,
        request={"Amount": str(instruction.amount), "Remarks": instruction.remarks},
        response=None if kind is OutcomeKind.IN_DOUBT else {"ResultCode": code},
        http_status=None if kind is OutcomeKind.IN_DOUBT else 200,
        code=code,
        message=message,
        processing_time_ms=180 + int(instruction.amount) % 700,
    )
    return Outcome(
        kind=kind,
        code=code,
        message=message,
        exchange=exchange,
        originator_reference=instruction.originator_reference,
        destination=instruction.destination,
        **more,  # type: ignore[arg-type]
    )


def _raise(stage: Stage, item: Item) -> None:
    requisitions.create(
        stage.uow(item.requester),
        draft=RequisitionDraft(
            kind=RequisitionKind.EXPENSE,
            origin=Origin.HQ if item.place == "HQ" else Origin.BRANCH,
            amount=item.amount,
            currency=Currency.KES,
            purpose=item.purchase.purpose,
            payee_name=item.purchase.payee,
            method=item.method,
            destination=item.phone,
            is_urgent=item.is_urgent,
            urgency_reason="The supplier keeps it until tomorrow." if item.is_urgent else None,
            external_reference=item.reference,
            lines=[
                DraftLine(description=description, amount=amount, category=category)
                for description, category, amount in item.lines()
            ],
        ),
    )


def _submit(stage: Stage, item: Item) -> None:
    requisitions.submit(stage.uow(item.requester), requisition_id=stage.requisition(item))


def _decide(verb: Callable[..., object], comment: str | None) -> Callable[[Stage, Item], None]:
    def decide(stage: Stage, item: Item) -> None:
        found = stage.requisition(item)
        verb(
            stage.uow(stage.approver(found)),
            requisition_id=found,
            digest=stage.digest(found),
            comment=comment,
        )

    return decide


def _cancel(stage: Stage, item: Item) -> None:
    lifecycle.cancel(
        stage.uow(item.requester),
        requisition_id=stage.requisition(item),
        comment=content.WITHDRAWAL,
    )


def _hold(stage: Stage, item: Item) -> None:
    lifecycle.put_on_hold(
        stage.uow(MAKER), requisition_id=stage.requisition(item), comment=content.HOLD
    )


def _validate(stage: Stage, item: Item) -> None:
    found = stage.requisition(item)
    parts = [item.amount]
    if item.ending is Ending.SHORT:
        parts = [item.amount * 2 / 3, item.amount / 3]
    treasury_validation.validate(
        stage.uow(MAKER),
        requisition_id=found,
        digest=stage.digest(found),
        parts=[PaymentPart(amount=each) for each in parts],
    )


def _release(stage: Stage, payment: Payment, name: str) -> None:
    uow = stage.uow(name)
    challenge = payments.send_code(uow, payment_id=payment.id)
    stage.session.flush()
    code = stage.code(challenge.id)
    checked = payments.verify_code(uow, payment_id=payment.id, code=code)
    if checked.refusal is not None:
        raise checked.refusal
    payments.execute(uow, payment_id=payment.id)


def _send(stage: Stage, item: Item) -> None:
    """Release it and mark it as leaving; the rail is told between two chapters."""
    payment = stage.payment(item)
    _release(stage, payment, RELEASER)
    stage.session.flush()
    attempt = facts.newest_attempt(stage.session, payment_id=payment.id)
    if attempt is None:
        raise NotYet
    claim = payments.claim(stage.session, attempt_id=attempt.id, now=stage.at)
    if claim is None:
        raise NotYet
    payments.mark_sending(stage.session, claim=claim, now=stage.at)
    # Until the next chapter it is under way, and not overdue.
    stage.session.refresh(attempt)
    attempt.decide_by = stage.really + registry.for_rail(claim.rail).decide_by


def _answer(stage: Stage, item: Item) -> None:
    payment = stage.payment(item)
    attempt = facts.newest_attempt(stage.session, payment_id=payment.id)
    claim = None if attempt is None else claim_of(stage.session, attempt)
    told = stage.told.get(item.reference)
    if attempt is None or claim is None or told is None:
        raise NotYet
    if told.kind is not OutcomeKind.IN_DOUBT:
        _date_decision(attempt, claim.rail)
    payments.record_outcome(stage.session, claim=claim, outcome=told, now=stage.at)


def _date_decision(attempt: PaymentAttempt, rail: Rail) -> None:
    """Give an attempt the decide-by time of the story, in place of one that is not over yet."""
    if attempt.first_sent_at is None:
        raise NotYet
    attempt.decide_by = attempt.first_sent_at + registry.for_rail(rail).decide_by


def _ask(stage: Stage, item: Item) -> None:
    """Ask what became of it; the rail is silent."""
    payment = stage.payment(item)
    attempt = facts.newest_attempt(stage.session, payment_id=payment.id)
    if attempt is None:
        raise NotYet
    _date_decision(attempt, payment.method)
    stage.session.flush()
    question = payments.next_question(stage.session, attempt_id=attempt.id, now=stage.at)
    if question is None:
        raise NotYet
    silence = outcome(
        OutcomeKind.IN_DOUBT,
        question.instruction,
        "transport.read_timeout",
        "The rail did not answer in time.",
        to=RequestType.QUERY,
    )
    payments.record_answer(stage.session, question=question, answer=silence, now=stage.at)


def _offer(stage: Stage, item: Item) -> None:
    _release(stage, stage.payment(item), CUSTODIANS[item.place])


def _acknowledge(stage: Stage, item: Item) -> None:
    payment = stage.payment(item)
    row = stage.session.execute(
        select(CashAcknowledgement).where(CashAcknowledgement.payment_id == payment.id)
    ).scalar_one()
    message = payments.make_acknowledgement_code(
        stage.session, acknowledgement_id=row.id, now=stage.at
    )
    if message is None:
        raise NotYet
    refusal = payments.acknowledge(
        stage.uow(CUSTODIANS[item.place]),
        payment_id=payment.id,
        code=message.text.split()[0],
    )
    if refusal is not None:
        raise refusal


def _close_short(stage: Stage, item: Item) -> None:
    found = stage.requisition(item)
    rest = stage.session.execute(
        select(Payment.id).where(Payment.requisition_id == found).order_by(Payment.ordinal.desc())
    ).scalars()
    payments.cancel(stage.uow(MAKER), payment_id=next(rest))
    lifecycle.close_short(stage.uow(MAKER), requisition_id=found, comment=content.REMAINDER)


def _review(stage: Stage, item: Item) -> None:
    lifecycle.review(stage.uow(REVIEWER), requisition_id=stage.requisition(item))


def _record_variance(stage: Stage, item: Item) -> None:
    payment = stage.payment(item)
    if payment.paid_amount is None:
        raise NotYet
    variances.record(
        stage.uow("treasury_3"),
        payment_id=payment.id,
        kind=VarianceKind.OVERPAID,
        adjusted_amount=payment.paid_amount + 50,
        reason=content.SLIP,
    )


def _decide_variance(stage: Stage, item: Item) -> None:
    found = stage.session.execute(
        select(VarianceAdjustment.id).where(
            VarianceAdjustment.payment_id == stage.payment(item).id,
            VarianceAdjustment.status == VarianceStatus.PENDING,
        )
    ).scalar_one()
    variances.approve(stage.uow("cfo"), variance_id=found)


def _approve_refill(stage: Stage, place: str) -> None:
    found = stage.refill(place, ReplenishmentStatus.PENDING)
    try:
        with stage.session.begin_nested():
            replenishments.approve(stage.uow("group_finance_manager"), replenishment_id=found.id)
    except replenishments.ReplenishmentNeedsCfo:
        replenishments.approve(stage.uow("cfo"), replenishment_id=found.id)


def _fund_refill(stage: Stage, place: str) -> None:
    found = stage.refill(place, ReplenishmentStatus.APPROVED)
    uow = stage.uow(MAKER)
    challenge = replenishments.request_code(uow, replenishment_id=found.id)
    stage.session.flush()
    checked = replenishments.check_code(
        uow, replenishment_id=found.id, code=stage.code(challenge.id)
    )
    if checked.refusal is not None:
        raise checked.refusal
    reference = f"FT{stage.at:%y%m%d}{found.number[-4:]}"
    replenishments.fund(uow, replenishment_id=found.id, bank_reference=reference)


def _receive_refill(stage: Stage, place: str) -> None:
    found = stage.refill(place, ReplenishmentStatus.FUNDED)
    before = stage.session.execute(
        select(Replenishment.id).where(
            Replenishment.fund_id == found.fund_id,
            Replenishment.status == ReplenishmentStatus.RECEIVED,
        )
    ).all()
    amount = found.approved_amount or Decimal(0)
    replenishments.receive(
        stage.uow(CUSTODIANS[place]),
        replenishment_id=found.id,
        amount=amount - MISSING if len(before) == 1 else amount,
    )


OF_ITEM: Mapping[Act, Callable[[Stage, Item], None]] = {
    Act.RAISE: _raise,
    Act.SUBMIT: _submit,
    Act.APPROVE: _decide(deciding.approve, None),
    Act.SEND_BACK: _decide(deciding.request_changes, content.CHANGES),
    Act.REJECT: _decide(deciding.reject, content.REFUSAL),
    Act.CANCEL: _cancel,
    Act.HOLD: _hold,
    Act.VALIDATE: _validate,
    Act.SEND: _send,
    Act.ANSWER: _answer,
    Act.ASK: _ask,
    Act.OFFER: _offer,
    Act.ACKNOWLEDGE: _acknowledge,
    Act.CLOSE_SHORT: _close_short,
    Act.REVIEW: _review,
    Act.RECORD_VARIANCE: _record_variance,
    Act.DECIDE_VARIANCE: _decide_variance,
}

OF_FUND: Mapping[Act, Callable[[Stage, str], None]] = {
    Act.APPROVE_REFILL: _approve_refill,
    Act.FUND_REFILL: _fund_refill,
    Act.RECEIVE_REFILL: _receive_refill,
}
