"""Steps of shaping and releasing payments, as tests of services take them."""

from typing import Any

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.requisitions import RequisitionStatus
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import PaymentPart
from tests.factories import payments as making
from tests.factories.people import acting, user_id
from tests.factories.requisitions import approved


def in_parts(
    session: Session, *parts: PaymentPart, amount: str = "1500.00", **more: Any
) -> list[Payment]:
    requisition = approved(session, amount, **more)
    requisition.move_to(RequisitionStatus.IN_PAYMENT, at=session.info["now"])
    return payments.create_for_validation(
        Uow.of(session, acting(session, "treasury")),
        requisition=requisition,
        parts=list(parts),
        maker_id=user_id(session, "treasury"),
    )


def remainder_of(session: Session, payment: Payment, **more: Any) -> Payment:
    return payments.create(
        Uow.of(session, more.pop("actor", None) or acting(session, "treasury")),
        **{"requisition_id": payment.requisition_id, "amount": None} | more,
    )


def change(session: Session, payment: Payment, by: str = "treasury", **changes: Any) -> Payment:
    requisition, locked = payments.locked(session, payment_id=payment.id)
    return payments.change(
        Uow.of(session, acting(session, by)),
        requisition=requisition,
        payment=locked,
        changes=changes,
    )


def execute(session: Session, payment: Payment, by: str = making.EXECUTOR, **more: Any) -> Payment:
    released, _ = payments.execute(
        Uow(session, acting(session, by), more.pop("now", session.info["now"])),
        **{"payment_id": payment.id} | more,
    )
    return released
