"""Facts of a payment: digest, people whom segregation rules out, and the order of its locks."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund, Store
from pettycash.models.payments import LIVE, Payment, PaymentAttempt
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db, money
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services import releases
from pettycash.services.foundation import digests, duties, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.duties import Duty
from pettycash.services.releases import lines


@dataclass(frozen=True)
class LockedAttempt:
    """An attempt with its payment and requisition, all three locked."""

    requisition: Requisition
    payment: Payment
    attempt: PaymentAttempt


def digest_of(payment: Payment) -> bytes:
    """SHA-256 over everything that a code releases (security.md row 7)."""
    return digests.digest(
        {
            "payment": payment.id,
            "minor_units": money.minor_units(payment.amount, Currency(payment.currency)),
            "currency": payment.currency,
            "method": payment.method.value,
            "payee": payment.payee_name,
            "destination": payment.destination,
            "store": payment.store_id,
        }
    )


def subject_of(
    session: Session, *, payment: Payment, requisition: Requisition
) -> releases.ReleaseSubject:
    """The payment as something to release, and who is ruled out of releasing it."""
    known = duties.holders(session, requisition_id=requisition.id)
    ruled_out = duties.others(known, Duty.RELEASER)
    return releases.ReleaseSubject(
        kind=RELEASES.name,
        id=payment.id,
        digest=payment.digest,
        amount=payment.amount,
        currency=payment.currency,
        payee_text="\n".join(lines_of(payment)[1:]),
        excluded={person: duties.refusal(own, Duty.RELEASER) for person, own in ruled_out.items()},
        conflicted=duties.conflicted(session, known, subject_id=requisition.id),
        only=custodians(session, payment) if payment.method is Method.CASH else None,
    )


def _lock(session: Session, payment_id: UUID) -> Payment | None:
    """The payment and before it, as by everybody, its requisition: writing the payment needs it."""
    return session.execute(TO_RELEASE, {"payment_id": payment_id}).scalar_one_or_none()


TO_RELEASE = (
    select(Payment)
    .join(Requisition, Requisition.id == Payment.requisition_id)
    .where(Payment.id == bindparam("payment_id"))
    .with_for_update(of=[Requisition, Payment], key_share=True)
    .execution_options(populate_existing=True, **db.PREPARED)
)


def _message(session: Session, payment_id: UUID) -> tuple[str, ...]:
    payment = session.get_one(Payment, payment_id)
    amount, payee, destination = lines_of(payment)
    return amount, f"to {payee}", f"at {destination}", f"({payment.number})."


RELEASES = releases.ReleaseKind(name="payment", lock=_lock, lines=_message)


def lines_of(payment: Payment) -> tuple[str, str, str]:
    """Amount, payee and destination, as a code's message shows them."""
    return lines.of_payment(
        amount=payment.amount,
        currency=payment.currency,
        payee_name=payment.payee_name,
        method=payment.method,
        destination=payment.destination,
    )


def custodians(session: Session, payment: Payment) -> frozenset[UUID]:
    """Custodian and alternate of the fund whose drawer a cash voucher leaves."""
    fund = session.get_one(Fund, session.get_one(Store, payment.store_id).fund_id)
    return frozenset(
        each for each in (fund.custodian_id, fund.alternate_custodian_id) if each is not None
    )


def locked(
    session: Session, *, payment_id: UUID, actor: Actor | None = None
) -> tuple[Requisition, Payment]:
    """Lock requisition, then payment: the order of every writer.

    Raises:
        PaymentNotFound: no such payment within the actor's scope (without one: in the company).
    """
    # One statement: PostgreSQL locks the rows of a result in the order that OF names them.
    query = (
        select(Requisition, Payment)
        .join(Payment, Payment.requisition_id == Requisition.id)
        .where(Payment.id == payment_id)
        .with_for_update(of=[Requisition, Payment], key_share=True)
        .execution_options(populate_existing=True, **db.PREPARED)
    )
    if actor is not None:
        query = query.where(visibility.payments(actor))
    row = session.execute(query).one_or_none()
    if row is None:
        raise visibility.PaymentNotFound
    requisition, payment = row
    return requisition, payment


def lock_attempt(session: Session, *, attempt_id: UUID) -> LockedAttempt | None:
    """Lock requisition, payment and attempt, in this order; None where there is no such attempt."""
    row = session.execute(LOCKED_ATTEMPT, {"attempt_id": attempt_id}).one_or_none()
    if row is None:
        return None
    requisition, payment, attempt = row
    return LockedAttempt(requisition=requisition, payment=payment, attempt=attempt)


LOCKED_ATTEMPT = (
    select(Requisition, Payment, PaymentAttempt)
    .join(Payment, Payment.requisition_id == Requisition.id)
    .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
    .where(PaymentAttempt.id == bindparam("attempt_id"))
    .with_for_update(of=[Requisition, Payment, PaymentAttempt], key_share=True)
    .execution_options(populate_existing=True, **db.PREPARED)
)


def live_attempt(session: Session, *, payment_id: UUID) -> PaymentAttempt | None:
    """The attempt that is not decided, locked; at most one (partial unique index)."""
    return session.execute(
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == payment_id, PaymentAttempt.state.in_(LIVE))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True, **db.PREPARED)
    ).scalar_one_or_none()


def newest_attempt(session: Session, *, payment_id: UUID) -> PaymentAttempt | None:
    """The attempt of the newest release."""
    return session.execute(
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == payment_id)
        .order_by(PaymentAttempt.number.desc())
        .limit(1)
    ).scalar_one_or_none()


def hold_source(attempt_id: UUID) -> str:
    """The source under which an attempt's money is held."""
    return f"attempt:{attempt_id}"


def derived_reference(*, requisition_id: UUID, ordinal: int, number: int) -> str:
    """Our reference of an attempt, before the rail shapes it: computed, never drawn.

    A database restored from a backup derives the same one again, so that the rail recognises a
    repeat of what the backup does not know to have been sent.
    """
    facts = f"pettycash/1/{requisition_id}/{ordinal}/{number}"
    return hashlib.sha256(facts.encode()).hexdigest()
