"""What a payment is bound to, whom segregation rules out of it, and in which order it is locked."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, bindparam, func, literal, select, union_all
from sqlalchemy.orm import Session

from pettycash import db, money
from pettycash.models.attempts import LIVE, PaymentAttempt
from pettycash.models.funds import Fund, Store
from pettycash.models.payments import Payment
from pettycash.models.people import Membership, User
from pettycash.models.requisitions import Requisition
from pettycash.models.workflow import Decision, Verdict
from pettycash.money import Currency
from pettycash.rails import Method
from pettycash.services import digests, releases, visibility
from pettycash.services.actors import Actor

APPROVING = (Verdict.APPROVED, Verdict.URGENCY_CONFIRMED)


@dataclass(frozen=True)
class Matter:
    """An attempt with the payment and requisition that it is about, all three locked."""

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


def subject_of(session: Session, *, payment: Payment, requisition: Requisition) -> releases.Subject:
    """The payment as something to release, and who is ruled out of releasing it."""
    ruled_out = session.execute(
        RULED_OUT, {"requisition_id": requisition.id, "destination": payment.destination}
    ).scalars()
    excluded = {requisition.requester_id, *ruled_out}
    excluded.update(each for each in (payment.payee_user_id, payment.maker_id) if each is not None)
    return releases.Subject(
        kind="payment",
        id=payment.id,
        digest=payment.digest,
        amount=payment.amount,
        currency=payment.currency,
        payee_text=f"{payment.payee_name} {payment.destination}",
        excluded=frozenset(excluded),
        only=custodians(session, payment) if payment.method is Method.CASH else None,
    )


def approvers(session: Session, *, requisition_id: UUID) -> frozenset[UUID]:
    """Everybody who approved the requisition, in whatever round."""
    return frozenset(session.execute(APPROVERS, {"requisition_id": requisition_id}).scalars())


APPROVERS = (
    select(Decision.user_id)
    .where(Decision.requisition_id == bindparam("requisition_id"), Decision.verdict.in_(APPROVING))
    .execution_options(**db.PREPARED)
)


_DESTINATION = bindparam("destination", type_=Text)

REACHED = (
    select(Membership.user_id)
    .join(User, User.id == Membership.user_id)
    .where(
        Membership.phone.in_((_DESTINATION, literal("+", Text) + _DESTINATION))
        | (func.lower(User.email) == _DESTINATION)
    )
    .execution_options(**db.PREPARED)
)
"""Members whose own phone or e-mail the money goes to: recipients, whoever is named as payee.
Rails spell a phone number with the country code and without the plus."""

RULED_OUT = union_all(APPROVERS, REACHED).execution_options(**db.PREPARED)


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


def matter(session: Session, *, attempt_id: UUID) -> Matter | None:
    """Lock requisition, payment and attempt, in this order; None where there is no such attempt."""
    row = session.execute(MATTER, {"attempt_id": attempt_id}).one_or_none()
    if row is None:
        return None
    requisition, payment, attempt = row
    return Matter(requisition=requisition, payment=payment, attempt=attempt)


MATTER = (
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
