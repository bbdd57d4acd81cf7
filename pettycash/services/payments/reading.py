"""A payment with what belongs to it, as somebody within scope reads it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Store
from pettycash.models.payments import Payment, PaymentReconciliation
from pettycash.models.releases import CashAcknowledgement
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.runtime.rails import Method
from pettycash.runtime.sanitising import mask_phone, sanitise
from pettycash.services.foundation import listings, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import facts
from pettycash.services.releases import lines
from pettycash.services.releases import reading as release_reading

MOBILE = frozenset({Method.MPESA, Method.AIRTEL_MONEY, Method.MTN_MOMO})


LISTED = (
    select(Payment, Requisition, PaymentReconciliation)
    .join(Requisition, Requisition.id == Payment.requisition_id)
    .outerjoin(PaymentReconciliation, PaymentReconciliation.payment_id == Payment.id)
)
"""Each payment with its requisition and the evidence it was matched with."""


def summary(
    payment: Payment,
    requisition: Requisition,
    fact: PaymentReconciliation | None,
    actor: Actor,
) -> dict[str, Any]:
    """The payment's columns and what is derived from them, masked where the reader runs it only."""
    shown: dict[str, Any] = {
        attribute.key: getattr(payment, attribute.key)
        for attribute in Payment.__mapper__.column_attrs
    }
    shown |= {
        "requisition_number": requisition.number,
        "payment_type": requisition.kind,
        "reconciled": fact is not None,
        "reconciled_at": fact.created_at if fact else None,
        "reconciled_by": fact.reconciled_by if fact else None,
        "reconciled_with": fact.source if fact else None,
        "is_blocked": payment.blocked_by_case_id is not None,
        "is_release_locked": payment.release_locked_at is not None,
    }
    if requisition.requester_id != actor.user_id and not visibility.sees_payees(actor):
        shown |= {
            "destination": mask_phone(payment.destination),
            "payee_name": f"{payment.payee_name[:1]}***",
            "client_metadata": {},
            "external_reference": sanitise(payment.external_reference),
            "last_error": sanitise(payment.last_error),
        }
    shown["phone_number"] = shown["destination"] if payment.method in MOBILE else None
    return shown


def detail(uow: Uow, *, payment_id: UUID) -> tuple[dict[str, Any], str]:
    """One payment with the state of its release, and the version tag of all that is shown.

    Raises:
        PaymentNotFound: none such within scope.
    """
    session = uow.session
    session.flush()
    row = session.execute(
        LISTED.where(Payment.id == payment_id, visibility.payments(uow.actor)),
        execution_options=db.PREPARED,
    ).one_or_none()
    if row is None:
        raise visibility.PaymentNotFound
    payment, requisition, fact = row
    release = release_reading.newest(session, payment_id)
    shown = summary(payment, requisition, fact, uow.actor)
    shown["lines"] = lines.of_payment(
        amount=payment.amount,
        currency=payment.currency,
        payee_name=shown["payee_name"],
        method=payment.method,
        destination=shown["destination"],
    )
    shown["release"] = release_reading.to_response(
        session, release, lines=shown["lines"], now=uow.now
    )
    store = session.get_one(Store, payment.store_id)
    shown |= {"fund_id": store.fund_id, "store_name": store.name}
    signed = _newest_acknowledgement(session, payment)
    shown["acknowledgement"] = _acknowledged(signed)
    return shown, _tag(payment, release, signed, is_matched=fact is not None)


def people(uow: Uow, detail: Mapping[str, Any]) -> Mapping[UUID, str]:
    """The names of those in `detail`, for readers who see payees: one of them may be it."""
    if not visibility.sees_payees(uow.actor):
        return {}
    named = {detail["maker_id"], detail["executor_id"], detail["reconciled_by"]}
    release, signed = detail["release"], detail["acknowledgement"]
    if release is not None:
        named.add(release["executor_id"])
    if signed is not None:
        named.add(signed["witness_id"])
    return listings.people(uow.session, named - {None})


def version_tag(session: Session, payment: Payment) -> str:
    """A version that changes with anything that `detail` shows, also with codes and evidence."""
    session.flush()
    fact = session.execute(
        select(PaymentReconciliation.id).where(PaymentReconciliation.payment_id == payment.id)
    ).scalar_one_or_none()
    release = release_reading.newest(session, payment.id)
    signed = _newest_acknowledgement(session, payment)
    return _tag(payment, release, signed, is_matched=fact is not None)


def _tag(
    payment: Payment,
    release: release_reading.Release,
    signed: CashAcknowledgement | None,
    *,
    is_matched: bool,
) -> str:
    tries = "" if signed is None else f".{signed.tries}"
    return f"{payment.version}.{release_reading.tag(release)}.{int(is_matched)}{tries}"


def release_of(session: Session, *, payment_id: UUID, now: datetime) -> dict[str, Any] | None:
    """The lines of the newest challenge, and where it stands; None where nobody asked for one."""
    payment = session.get_one(Payment, payment_id)
    release = release_reading.newest(session, payment_id)
    return release_reading.to_response(session, release, lines=facts.lines_of(payment), now=now)


def _newest_acknowledgement(session: Session, payment: Payment) -> CashAcknowledgement | None:
    if payment.method is not Method.CASH:
        return None
    return session.execute(
        select(CashAcknowledgement)
        .where(CashAcknowledgement.payment_id == payment.id)
        .order_by(CashAcknowledgement.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def _acknowledged(row: CashAcknowledgement | None) -> dict[str, Any] | None:
    """How the recipient said that they have the cash, beside the wrong codes before that."""
    if row is None:
        return None
    return {
        "proof": row.proof,
        "acknowledged_at": row.acknowledged_at,
        "wrong_codes": row.tries - (1 if row.proof == "code" else 0),
        "attachment_id": row.attachment_id,
        "witness_id": row.witness_id,
        "witnessed_at": row.witnessed_at,
    }
