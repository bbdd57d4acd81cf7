"""The progress of a requisition through its payments."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.approvals import TrailAction
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db, money
from pettycash.services.approvals import trail
from pettycash.services.foundation.visibility import RequisitionNotFound

R = RequisitionStatus


def money_moved(session: Session, requisition_id: UUID) -> Decimal:
    """The amount that the rails proved to have paid and did not take back.

    The proven amount counts where it differs from the instructed one.
    """
    return session.execute(
        select(
            func.coalesce(func.sum(func.coalesce(Payment.paid_amount, Payment.amount)), Decimal(0))
        ).where(Payment.requisition_id == requisition_id, Payment.status == PaymentStatus.SUCCESS),
        execution_options=db.PREPARED,
    ).scalar_one()


def payment_progress(session: Session, *, requisition_id: UUID, now: datetime) -> Requisition:
    """Let the requisition follow its payments; called after a payment's status changed.

    Facts are never refused: a proof that comes after the requisition ended goes to the trail and
    leaves the status as it is. Locks the requisition, so call it in lock order: requisition first.

    Raises:
        RequisitionNotFound: no such requisition in this company.
    """
    session.flush()  # the sum is read from the table, the payment's new status must stand there
    requisition = db.lock(session, Requisition, requisition_id)
    if requisition is None:
        raise RequisitionNotFound
    moved = money_moved(session, requisition_id)
    due = requisition.approved_amount
    is_paid = due is not None and moved >= due
    if is_paid and requisition.status in (R.IN_PAYMENT, R.CLOSED_SHORT):
        requisition.move_to(R.PAID, at=now)
        requisition.paid_at = now
        trail.write(
            session, requisition, TrailAction.PAID, actor=None, comment=_sum(requisition, moved)
        )
    elif not is_paid and requisition.paid_at is not None:
        requisition.move_to(R.IN_PAYMENT, at=now)
        requisition.paid_at = None
        trail.write(
            session,
            requisition,
            TrailAction.CHANGED,
            actor=None,
            comment=f"A payment was reversed: {_sum(requisition, moved)}",
        )
    elif moved > 0 and requisition.status is R.CANCELLED:
        trail.write(
            session,
            requisition,
            TrailAction.PAID,
            actor=None,
            comment=f"Proven after it was cancelled: {_sum(requisition, moved)}",
        )
    return requisition


def _sum(requisition: Requisition, moved: Decimal) -> str:
    return f"{requisition.currency} {money.text(moved, requisition.currency)} paid in all."
