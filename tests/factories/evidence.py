"""Payments whose rail has said something, and what can be read of them afterwards."""

from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import Outcome
from pettycash.models.imprest import Store
from pettycash.models.payments import Payment, PaymentTransaction
from pettycash.services import payments
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.scenes import remembered


def proven(session: Session, payment: Payment, **facts_: object) -> Outcome:
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    return rails.proof(instruction, **facts_)


def store_balance(session: Session, payment: Payment) -> tuple[Decimal, Decimal, int]:
    return books.balance(session, session.get_one(Store, payment.store_id).account_id)


def log_of(session: Session, payment: Payment) -> list[tuple[str, str]]:
    rows = session.execute(
        select(PaymentTransaction.request_type, PaymentTransaction.status)
        .where(PaymentTransaction.payment_id == payment.id)
        .order_by(PaymentTransaction.id)
    )
    return [(row.request_type.value, row.status) for row in rows]


@remembered
def accepted(session: Session) -> Payment:
    payment = making.executing(session)
    making.answered(session, payment, rails.ACCEPTED)
    return payment


@remembered
def unknown(session: Session) -> Payment:
    payment = making.executing(session)
    making.answered(session, payment, rails.LOST)
    return payment


@remembered
def failed(session: Session) -> Payment:
    payment = making.executing(session)
    making.answered(session, payment, rails.REJECTED)
    return payment
