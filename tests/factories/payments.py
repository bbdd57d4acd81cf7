"""Payments of the seeded organisation, at any point of their life."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash.gateways.base import Outcome
from pettycash.models.ledger import Hold, JournalEntry
from pettycash.models.operations import Case, CaseStatus, OutboxMessage
from pettycash.models.payments import Payment, PaymentAttempt
from pettycash.models.releases import ChallengeSend, PaymentExecution
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import case_resolutions, facts, results, treasury_validation
from pettycash.services.payments.results import RailReport, ReportEffect, Source
from tests.factories.people import acting
from tests.factories.requisitions import approved, digest

MAKER, EXECUTOR = "treasury", "treasury_2"


def pending(session: Session, amount: str = "1500.00", **more: Any) -> Payment:
    """One that treasury made for the whole of an approved requisition."""
    requisition = approved(session, amount, **more)
    _, (payment,) = treasury_validation.validate(
        Uow.of(session, acting(session, MAKER)),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )
    return payment


def cash(session: Session, amount: str = "1500.00", **more: Any) -> Payment:
    """A voucher that the custodian of Westlands pays."""
    return pending(
        session, amount, **{"method": Method.CASH, "destination": "+254712345678"} | more
    )


def code_for(session: Session, payment: Payment, *, by: str = EXECUTOR) -> str:
    """Ask for a code and read it from the message, as the worker sends it."""
    challenge = payments.send_code(Uow.of(session, acting(session, by)), payment_id=payment.id)
    return sent_code(session, challenge.id)


def sent_code(session: Session, challenge_id: UUID) -> str:
    """Do the worker's part for the newest request of a challenge."""
    send_id = session.execute(
        select(ChallengeSend.id)
        .where(ChallengeSend.challenge_id == challenge_id)
        .order_by(ChallengeSend.sequence.desc())
        .limit(1)
    ).scalar_one()
    message = releases.make_code(session, send_id=send_id, now=session.info["now"])
    assert message is not None
    releases.code_delivered(session, send_id=send_id, message=message, now=session.info["now"])
    return message.text.split()[0]


def verified(session: Session, payment: Payment, *, by: str = EXECUTOR) -> None:
    """Give an executor a grant."""
    code = code_for(session, payment, by=by)
    result = payments.verify_code(
        Uow.of(session, acting(session, by)), payment_id=payment.id, code=code
    )
    assert result.refusal is None, result.refusal


def released(session: Session, payment: Payment, *, by: str = EXECUTOR) -> PaymentExecution:
    """Release a payment with a code."""
    verified(session, payment, by=by)
    _, execution = payments.execute(Uow.of(session, acting(session, by)), payment_id=payment.id)
    return execution


def executing(session: Session, amount: str = "1500.00", **more: Any) -> Payment:
    """One that waits to be sent."""
    payment = pending(session, amount, **more)
    released(session, payment)
    return payment


def attempt_of(session: Session, payment: Payment) -> PaymentAttempt:
    """The newest attempt."""
    found = facts.newest_attempt(session, payment_id=payment.id)
    assert found is not None
    return found


def sending(session: Session, payment: Payment) -> payments.Claim:
    """Claim the newest attempt and mark it as leaving."""
    attempt = attempt_of(session, payment)
    claim = payments.claim(session, attempt_id=attempt.id, now=session.info["now"])
    assert claim is not None
    payments.mark_sending(session, claim=claim, now=session.info["now"])
    session.refresh(attempt)
    return claim


def answered(session: Session, payment: Payment, outcome: Outcome) -> payments.Claim:
    """Send the newest attempt and record an answer."""
    claim = sending(session, payment)
    payments.record_outcome(session, claim=claim, outcome=outcome, now=session.info["now"])
    return claim


def said(
    session: Session,
    payment: Payment,
    outcome: Outcome,
    source: Source,
    *,
    attempt: PaymentAttempt | None = None,
    callback_id: UUID | None = None,
) -> ReportEffect:
    """Let somebody say something about the newest attempt, or the one that is named."""
    chosen = attempt or attempt_of(session, payment)
    locked = facts.lock_attempt(session, attempt_id=chosen.id)
    assert locked is not None
    instruction = payments.instruction_of(session, chosen)
    return results.apply(
        session,
        locked=locked,
        report=RailReport(
            outcome=outcome,
            agreement=outcome.agreement(instruction, conversation_id=chosen.conversation_id),
            source=source,
            confirms_failure_by_query=True,
            callback_id=callback_id,
            asked_at=session.info["now"]
            if source is Source.QUERY
            else results.asked_at(chosen, outcome, source),
        ),
        now=session.info["now"],
    )


def open_holds(session: Session, payment: Payment) -> Decimal:
    """What is held for a payment's attempts."""
    sources = [
        facts.hold_source(each)
        for each in session.execute(
            select(PaymentAttempt.id).where(PaymentAttempt.payment_id == payment.id)
        ).scalars()
    ]
    held = session.execute(
        select(Hold.amount).where(Hold.source.in_(sources), Hold.state == "open")
    ).scalars()
    return sum(held, Decimal(0))


def entries(session: Session, payment: Payment) -> list[str]:
    """The rules of the journal entries about a payment, in order."""
    return list(
        session.execute(
            select(JournalEntry.rule)
            .where(JournalEntry.payment_id == payment.id)
            .order_by(JournalEntry.id)
        ).scalars()
    )


def open_cases(session: Session, object_id: UUID | None = None) -> list[str]:
    """The kinds of the cases that are open, about one thing or all."""
    query = select(Case.kind).where(Case.status != CaseStatus.RESOLVED).order_by(Case.id)
    if object_id is not None:
        query = query.where(Case.object_id == object_id)
    return [kind.value for kind in session.execute(query).scalars()]


def the_case(session: Session, payment: Payment) -> Case:
    """The case that is open about a payment."""
    return case_about(session, payment.id)


def case_about(session: Session, object_id: UUID) -> Case:
    """The case that is open about a thing."""
    return session.execute(
        select(Case).where(Case.object_id == object_id, Case.status != CaseStatus.RESOLVED)
    ).scalar_one()


def confirmed(session: Session, case: Case, *, by: str) -> None:
    """Let a second person agree to what was proposed."""
    case_resolutions.confirm(
        Uow.of(session, acting(session, by)), case_id=case.id, version=case.version
    )


def outbox_message(session: Session, topic: str, key: UUID) -> OutboxMessage | None:
    """An outbox message, as it stands in the database."""
    return session.execute(
        select(OutboxMessage)
        .where(OutboxMessage.topic == topic, OutboxMessage.key == key)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def set_attempt(session: Session, attempt: PaymentAttempt, **values: Any) -> None:
    """Turn back clocks of an attempt."""
    session.execute(update(PaymentAttempt).where(PaymentAttempt.id == attempt.id).values(**values))
    session.refresh(attempt)


def as_json(**facts_: Any) -> bytes:
    """A body that FakeGateway reads."""
    return json.dumps(facts_).encode()
