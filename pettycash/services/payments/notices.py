"""Notices about payments: to who may release one, who pays cash out, and who collects it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.imprest import Store
from pettycash.models.notices import Timing
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime.rails import Method
from pettycash.services.foundation import notices
from pettycash.services.foundation.notices import NoticeKind, shown, words

QUEUE = "/console/payments/?view=to_release"


def _told(session: Session, payment: Payment) -> str:
    purpose = session.get_one(Requisition, payment.requisition_id).purpose
    return f"A payment of {shown(payment.amount, payment.currency)}, for {words(purpose)},"


def _store(session: Session, payment: Payment) -> str:
    return words(session.get_one(Store, payment.store_id).name)


TO_RELEASE: NoticeKind[Payment] = notices.declare(
    NoticeKind(
        name="payment.to_release",
        title="Waits to be released",
        sentence=lambda session, found: f"{_told(session, found)} waits to be released.",
        path=QUEUE,
        operation="payments.send_otp",
        default=Timing.DAILY,
    )
)

CASH_TO_PAY: NoticeKind[Payment] = notices.declare(
    NoticeKind(
        name="cash.to_pay",
        title="Cash to pay out",
        sentence=lambda session, found: (
            f"{_told(session, found)} is to be paid out of {_store(session, found)}."
        ),
        path=QUEUE,
        operation="payments.send_otp",
    )
)

CASH_TO_COLLECT: NoticeKind[Payment] = notices.declare(
    NoticeKind(
        name="cash.to_collect",
        title="Cash to collect",
        sentence=lambda session, found: (
            f"{_told(session, found)} can be collected at {_store(session, found)}."
        ),
        path="/console/payments/{id}/",
        operation="payments.acknowledge",
    )
)


def made(
    session: Session, payment: Payment, *, requisition: Requisition, releasers: Collection[UUID]
) -> None:
    """A payment can be released: tell those who may and, of cash, who gets it and who asked."""
    if payment.method is not Method.CASH:
        notices.notice(session, TO_RELEASE, to=releasers, about=payment)
        return
    notices.notice(session, CASH_TO_PAY, to=releasers, about=payment)
    collects = {requisition.requester_id, payment.payee_user_id}
    notices.notice(session, CASH_TO_COLLECT, to=collects, about=payment)
