"""Matching a payment with evidence by hand (the nightly run matches by itself)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash import errors
from pettycash.models.payments import (
    EvidenceSource,
    IllegalTransition,
    PaymentReconciliation,
    PaymentStatus,
)
from pettycash.services import releases, security_log
from pettycash.services.actors import Actor
from pettycash.services.payments import facts


class AlreadyReconciled(errors.Conflict):
    """The payment has been matched with evidence already."""

    code = "payment.already_reconciled"


class EvidenceDiffers(errors.RuleViolation):
    """The evidence names another reference or amount than the payment: record a variance."""

    code = "payment.evidence_differs"


def reconcile(
    session: Session,
    *,
    payment_id: UUID,
    provider_reference: str,
    note: str,
    details: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> PaymentReconciliation:
    """Record that a person has found the payment in a statement or another document.

    Raises:
        PaymentNotFound: none such within scope.
        IllegalTransition: it is not paid.
        NotSeparate: the actor released it.
        AlreadyReconciled: somebody was faster.
        EvidenceDiffers: it is not this payment's evidence.
    """
    _, payment = facts.locked(session, payment_id=payment_id, actor=actor)
    if payment.status is not PaymentStatus.SUCCESS:
        raise IllegalTransition(f"A payment that is {payment.status} has nothing to reconcile.")
    if actor.user_id in facts.executors(session, payment_id=payment.id):
        raise releases.NotSeparate("Who released a payment does not reconcile it.")
    known = session.execute(
        select(PaymentReconciliation.id).where(PaymentReconciliation.payment_id == payment.id)
    ).first()
    if known is not None:
        raise AlreadyReconciled
    if payment.provider_reference is not None and provider_reference != payment.provider_reference:
        raise EvidenceDiffers(
            errors={"provider_reference": ["The payment's reference is another one."]}
        )
    row = PaymentReconciliation(
        company_id=payment.company_id,
        payment_id=payment.id,
        source=EvidenceSource.MANUAL,
        reconciled_by=actor.user_id,
        evidence={"provider_reference": provider_reference, "note": note, **details},
        created_at=now,
    )
    session.add(row)
    security_log.record(
        session,
        event="payment.reconciled",
        outcome="ok",
        detail={"payment_id": str(payment.id)},
        actor=actor,
    )
    return row
