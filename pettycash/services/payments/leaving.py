"""Releases of a person who leaves or loses a role go back to others (control.md §6)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, literal, select
from sqlalchemy.orm import Session

from pettycash.models.access import Role, RoleAssignment
from pettycash.models.imprest import Store
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.runtime.rails import Method
from pettycash.services.foundation.live_roles import live_assignments

OFFICERS = frozenset({Role.TREASURY, Role.CFO})
"""Roles that release what is no cash; a fund's custodians release its cash."""


def releases_of(session: Session, *, user_id: UUID, now: datetime) -> Sequence[UUID]:
    """Payments that a person had taken on to release, who may release them no more."""
    held = _live(session, user_id, now=now)
    keeps = [each.scope_id for each in held if each.role is Role.CUSTODIAN]
    is_officer = any(each.role in OFFICERS for each in held)
    return (
        session.execute(
            select(Payment.id)
            .join(Store, Store.id == Payment.store_id)
            .where(
                Payment.executor_id == user_id,
                Payment.status.in_((PaymentStatus.PENDING, PaymentStatus.FAILED)),
                case(
                    (Payment.method == Method.CASH, Store.fund_id.not_in(keeps)),
                    else_=literal(not is_officer),
                ),
            )
            .order_by(Payment.id)
        )
        .scalars()
        .all()
    )


def give_back_release(session: Session, *, payment_id: UUID, user_id: UUID) -> None:
    """Let others release a payment that a person had taken on."""
    known = session.get_one(Payment, payment_id)
    db.lock(session, Requisition, known.requisition_id)  # before its payment, as everybody
    payment = db.lock(session, Payment, payment_id)
    if payment is not None and payment.executor_id == user_id:
        payment.executor_id = None
        payment.version += 1


def _live(session: Session, user_id: UUID, *, now: datetime) -> Sequence[RoleAssignment]:
    return (
        session.execute(live_assignments(now).where(RoleAssignment.user_id == user_id))
        .scalars()
        .all()
    )
