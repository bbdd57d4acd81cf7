"""Cash changes hands: the recipient acknowledges it by a code sent to them, or signed in.

The custodian has released the payment and holds the money out; with the acknowledgement it is paid.
The code belongs to the recipient, so a right one shows that they were there (domain.md §5). Who has
neither signs before a witness: `signatures`.
"""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.payments import (
    GatewayExchangeType,
    IllegalTransition,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.models.releases import CashAcknowledgement, PaymentExecution
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db, errors, money, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.rails import Method
from pettycash.services import releases
from pettycash.services.foundation import outbox, security_log, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import facts, gateway_exchanges, settlement
from pettycash.services.payments.facts import LockedAttempt

TOPIC = "notifications.acknowledgement_code"


class NotCash(errors.Conflict):
    """Only cash that a custodian has released can be acknowledged."""

    code = "acknowledgement.not_cash"


class WrongAcknowledgement(errors.RuleViolation):
    """The recipient's code is wrong; the try is counted."""

    code = "acknowledgement.wrong_code"


class AcknowledgementExpired(errors.RuleViolation):
    """The recipient's code has expired or was not sent yet; ask for a new one."""

    code = "acknowledgement.code_expired"


class AcknowledgementTriesExhausted(errors.RuleViolation):
    """All tries are used up; acknowledge by a signature, or void the cash."""

    code = "acknowledgement.tries_exhausted"


class TooManyAcknowledgementCodes(errors.TooManyRequests):
    """The recipient was sent too many codes; wait before sending another one."""

    code = "acknowledgement.too_many_codes"


class NotTheRecipient(errors.NotAllowed):
    """Only the member who gets the cash may confirm by their own sign-in that they have it."""

    code = "acknowledgement.not_the_recipient"


def begin(session: Session, *, payment: Payment, execution_id: UUID) -> CashAcknowledgement:
    """Await the acknowledgement of cash that was just released; its recipient is sent a code."""
    row = CashAcknowledgement(
        id=new_id(),
        company_id=payment.company_id,
        payment_id=payment.id,
        execution_id=execution_id,
        tries=0,
        sends=1,
    )
    session.add(row)
    session.flush()  # the outbox message's key is the row's
    outbox.enqueue(session, topic=TOPIC, key=row.id)
    crash_point("cash.offered")
    return row


def make_acknowledgement_code(
    session: Session, *, acknowledgement_id: UUID, now: datetime
) -> releases.CodeMessage | None:
    """Make the recipient's code, in the worker; None where it is not wanted any more, or while
    another worker is sending one, as `releases.make_code`."""
    row = db.lock(session, CashAcknowledgement, acknowledgement_id)
    payment = session.get(Payment, row.payment_id) if row is not None else None
    if (
        row is None
        or payment is None
        or row.acknowledged_at is not None
        or payment.status is not PaymentStatus.EXECUTING
    ):
        outbox.complete(session, topic=TOPIC, key=acknowledgement_id)
        return None
    lease = timedelta(seconds=settings.current().claim_lease_seconds)
    if row.claimed_at is not None and row.claimed_at + lease > now:
        until = row.claimed_at + lease
        outbox.lease(session, topic=TOPIC, key=acknowledgement_id, until=until)
        return None
    row.claimed_at = now
    due_at = outbox.lease(session, topic=TOPIC, key=acknowledgement_id, until=now + lease)
    code = releases.new_code()
    lifetime = settings.current().code_lifetime_seconds
    row.code_digest = _keyed(code, row.id)
    row.sent_at = now
    row.expires_at = now + timedelta(seconds=lifetime)
    amount = money.text(payment.amount, payment.currency)
    is_mail = "@" in payment.destination
    return releases.CodeMessage(
        subject="Your cash is ready",
        text=(
            f"{code} acknowledges that you received {payment.currency} {amount} in cash"
            f" ({payment.number}). Tell it to the custodian once you have the money, not before."
            f" It is valid for {lifetime // 60} minutes, unless a newer one is sent."
        ),
        email=payment.destination if is_mail else None,
        phone=None if is_mail else payment.destination,
        claimed_at=now,
        due_at=due_at,
    )


def acknowledgement_delivered(
    session: Session, *, acknowledgement_id: UUID, message: releases.CodeMessage
) -> None:
    """The code left; the outbox message is completed, unless a newer code is due or was made."""
    row = db.lock(session, CashAcknowledgement, acknowledgement_id)
    if row is not None and row.claimed_at == message.claimed_at:
        outbox.complete(session, topic=TOPIC, key=acknowledgement_id)


def acknowledgement_not_delivered(
    session: Session, *, acknowledgement_id: UUID, message: releases.CodeMessage
) -> None:
    """The message left by no way: the claim ends at once, and the code is made anew."""
    row = db.lock(session, CashAcknowledgement, acknowledgement_id)
    if row is not None and row.claimed_at == message.claimed_at:
        row.claimed_at = None
        outbox.end_lease(session, topic=TOPIC, key=acknowledgement_id, due_at=message.due_at)


def resend_acknowledgement(uow: Uow, *, payment_id: UUID) -> Payment:
    """Have the recipient sent a new code; the old one ends, its tries stay counted.

    Raises:
        as `acknowledge`; TooManyAcknowledgementCodes: too many within the window.
    """
    locked, row = kept(uow, payment_id=payment_id)
    limits = settings.current()
    window = timedelta(seconds=limits.code_sends_window_seconds)
    began = row.sent_at or row.created_at
    if row.sends >= limits.code_sends_max and began > uow.now - window:
        wait = (began + window - uow.now).total_seconds()
        raise TooManyAcknowledgementCodes(retry_after_seconds=max(1, int(wait) + 1))
    row.sends = 1 if row.sends >= limits.code_sends_max else row.sends + 1
    row.code_digest = None
    row.claimed_at = None
    row.expires_at = None
    outbox.enqueue(uow.session, topic=TOPIC, key=row.id)
    return locked.payment


def acknowledge(uow: Uow, *, payment_id: UUID, code: str) -> errors.PettycashError | None:
    """Count a try, then compare it with the recipient's code; a right one pays.

    A refusal is returned, as the try counts: the caller commits and then raises it.

    Raises:
        PaymentNotFound: none such within scope.
        NotCash: it is no cash, or nobody has released it.
        NotSeparate: the actor does not keep this fund.
    """
    locked, row = kept(uow, payment_id=payment_id)
    tries, expected, expires_at = uow.session.execute(
        update(CashAcknowledgement)
        .where(CashAcknowledgement.id == row.id)
        .values(tries=CashAcknowledgement.tries + 1)
        .returning(
            CashAcknowledgement.tries,
            CashAcknowledgement.code_digest,
            CashAcknowledgement.expires_at,
        )
    ).one()
    refusal: errors.PettycashError | None = None
    if tries > settings.current().code_tries_max:
        refusal = AcknowledgementTriesExhausted()
    elif expected is None or expires_at is None or expires_at <= uow.now:
        refusal = AcknowledgementExpired()
    elif not hmac.compare_digest(expected, _keyed(code, row.id)):
        refusal = WrongAcknowledgement()
    if refusal is not None:
        security_log.record(
            uow.session,
            event="payment.acknowledgement_refused",
            outcome="refused",
            detail={"payment_id": str(payment_id), "tries": tries, "why": refusal.code},
            actor=uow.actor,
        )
        return refusal
    pay_out(uow, locked=locked, row=row, proof="code")
    return None


def acknowledge_by_sign_in(uow: Uow, *, payment_id: UUID) -> Payment:
    """The recipient, a member, says in their own session that they have the money.

    Raises:
        PaymentNotFound: none such within scope.
        NotCash: it is no cash.
        NotTheRecipient: it is somebody else's money.
        IllegalTransition: nobody has released it, or it was acknowledged.
    """
    locked, row = offered(uow, payment_id=payment_id)
    if locked.payment.payee_user_id != uow.actor.user_id:
        raise NotTheRecipient
    pay_out(uow, locked=locked, row=row, proof="sign_in")
    return locked.payment


def log_void(session: Session, *, payment: Payment, attempt: PaymentAttempt) -> None:
    """The gateway exchange log's row for cash that nobody collected."""
    gateway_exchanges.log_own(
        session,
        payment=payment,
        attempt=attempt,
        request_type=GatewayExchangeType.CANCEL,
        status="rejected",
        code="cash.not_collected",
        message="Voided by the custodian.",
        request={},
        success=True,
    )


def offered(uow: Uow, *, payment_id: UUID) -> tuple[LockedAttempt, CashAcknowledgement]:
    """Cash that was released and waits for its recipient's acknowledgement, locked.

    Raises:
        PaymentNotFound, NotCash, IllegalTransition: there is none such within scope.
    """
    requisition, payment = facts.locked(uow.session, payment_id=payment_id, actor=uow.actor)
    check_offered(payment)
    attempt = facts.live_attempt(uow.session, payment_id=payment.id)
    assert attempt is not None, "an executing payment has a live attempt"
    row = uow.session.execute(
        select(CashAcknowledgement)
        .where(CashAcknowledgement.execution_id == attempt.execution_id)
        .with_for_update(key_share=True)
    ).scalar_one()
    return LockedAttempt(requisition=requisition, payment=payment, attempt=attempt), row


def kept(uow: Uow, *, payment_id: UUID) -> tuple[LockedAttempt, CashAcknowledgement]:
    """The same for who pays it out.

    Raises:
        PaymentNotFound, NotCash, IllegalTransition: as `offered`.
        NotSeparate: the actor does not keep this fund, or has another part in it.
    """
    payment = visibility.payment(uow, payment_id=payment_id)
    check_kept(uow, payment)
    return offered(uow, payment_id=payment_id)


def check_acknowledging(uow: Uow, payment: Payment) -> None:
    """Refuse who may not acknowledge cash as it stands: neither its recipient nor who pays it out.

    Raises:
        NotCash, IllegalTransition, NotSeparate: as `kept`.
    """
    check_offered(payment)
    if payment.payee_user_id != uow.actor.user_id:
        check_kept(uow, payment)


def check_offered(payment: Payment) -> None:
    """Refuse what is no cash that waits for its acknowledgement.

    Raises:
        NotCash, IllegalTransition: see `offered`.
    """
    if payment.method is not Method.CASH:
        raise NotCash
    if payment.status is not PaymentStatus.EXECUTING:
        raise IllegalTransition(f"A payment that is {payment.status} awaits no acknowledgement.")


def check_kept(uow: Uow, payment: Payment) -> None:
    """Refuse who does not pay this cash out.

    Raises:
        NotCash, NotSeparate: see `kept`.
    """
    if payment.method is not Method.CASH:
        raise NotCash
    if uow.actor.user_id not in facts.custodians(uow.session, payment):
        raise releases.NotSeparate("Only the custodian of its fund may pay cash.")
    requisition = uow.session.get_one(Requisition, payment.requisition_id)
    subject = facts.subject_of(uow.session, payment=payment, requisition=requisition)
    if uow.actor.user_id in subject.excluded:
        raise subject.excluded[uow.actor.user_id]


def pay_out(uow: Uow, *, locked: LockedAttempt, row: CashAcknowledgement, proof: str) -> None:
    """With the recipient's acknowledgement it is paid."""
    session = uow.session
    payment, attempt = locked.payment, locked.attempt
    released = session.get_one(PaymentExecution, attempt.execution_id)
    row.acknowledged_at = uow.now
    row.proof = proof
    row.code_digest = None
    outbox.complete(session, topic=TOPIC, key=row.id)
    gateway_exchanges.log_own(
        session,
        payment=payment,
        attempt=attempt,
        request_type=GatewayExchangeType.CONFIRM,
        status="settled",
        code=f"cash.{proof}",
        message="Acknowledged by the recipient.",
        request={
            "paid_by": str(released.executor_id),
            "acknowledged_by": str(uow.actor.user_id),
        },
        success=True,
    )
    settlement.settle(
        session,
        locked=locked,
        proof=settlement.Proof(
            amount=attempt.amount,
            provider_reference=attempt.originator_reference,
            occurred_at=uow.now,
            code=f"cash.{proof}",
            message="Acknowledged by the recipient.",
        ),
        now=uow.now,
    )
    security_log.record(
        session,
        event="payment.acknowledged",
        outcome="ok",
        detail={"payment_id": str(payment.id), "proof": proof},
        actor=uow.actor,
    )
    crash_point("cash.acknowledged")


def _keyed(code: str, acknowledgement_id: UUID) -> bytes:
    return releases.keyed_digest(code, acknowledgement_id)
