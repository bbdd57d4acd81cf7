"""Codes that are asked for, tried and worn out."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.releases import ReleaseChallenge
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from tests.factories import payments as making
from tests.factories.people import acting

WRONG = "000000"


def request(session: Session, payment: Payment, by: str = "treasury_2") -> ReleaseChallenge:
    return payments.send_code(Uow.of(session, acting(session, by)), payment_id=payment.id)


def verify(
    session: Session, payment: Payment, code: str, by: str = "treasury_2", **more: Any
) -> releases.CodeResult:
    return payments.verify_code(
        Uow(session, acting(session, by), more.pop("now", session.info["now"])),
        payment_id=payment.id,
        code=code,
        **more,
    )


def newest(session: Session, payment: Payment) -> ReleaseChallenge:
    return session.execute(
        select(ReleaseChallenge)
        .where(ReleaseChallenge.payment_id == payment.id)
        .order_by(ReleaseChallenge.sequence.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).scalar_one()


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def dead_challenges(session: Session, payment: Payment, count: int) -> None:
    for _ in range(count):
        code = making.code_for(session, payment)
        for _ in range(5):
            verify(session, payment, other_than(code))
