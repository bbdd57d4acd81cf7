"""Which proof a settled payment has, matched in one statement for a whole day."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.payments import (
    EvidenceSource,
    Payment,
    PaymentReconciliation,
    PaymentStatus,
)
from pettycash.models.releases import PaymentExecution
from pettycash.services import visibility
from pettycash.services.actors import Actor


class NotSettled(errors.Conflict):
    """Only a payment that settled can be matched with evidence."""

    code = "reconciliation.not_settled"


class AlreadyReconciled(errors.Conflict):
    """The payment was matched with evidence before."""

    code = "reconciliation.already_reconciled"


class ReconcilerIsExecutor(errors.NotAllowed):
    """Who released a payment can't be the one who matches it (segregation of duties)."""

    code = "reconciliation.reconciler_is_executor"


MATCH = text(
    """
    INSERT INTO payment_reconciliations (id, company_id, payment_id, run_id, source, evidence)
    SELECT new_key(), p.company_id, p.id, :run_id,
        CASE WHEN t.provider_account_id IS NULL THEN 'acknowledgement'
             WHEN asked.id IS NOT NULL THEN 'gateway_query' ELSE 'callback' END,
        jsonb_build_object('provider_reference', t.provider_reference,
            'originator_reference', t.originator_reference, 'amount', t.settled_amount,
            'exchange_id', coalesce(asked.id, heard.id))
    FROM payments p
    JOIN payment_attempts t ON t.payment_id = p.id AND t.state = 'settled'
        AND t.settled_amount = p.amount AND t.provider_reference = p.provider_reference
    LEFT JOIN LATERAL (SELECT x.id FROM payment_transactions x WHERE x.attempt_id = t.id
        AND x.payment_id = p.id AND x.success AND x.request_type = 'QUERY'
        ORDER BY x.id LIMIT 1) asked ON true
    LEFT JOIN LATERAL (SELECT x.id FROM payment_transactions x WHERE x.attempt_id = t.id
        AND x.payment_id = p.id AND x.success AND x.request_type IN ('CONFIRM', 'INITIATE')
        ORDER BY x.id LIMIT 1) heard ON true
    WHERE p.status = 'success' AND p.paid_at < :until
        AND coalesce(asked.id, heard.id) IS NOT NULL
        AND NOT EXISTS (SELECT FROM payment_reconciliations k WHERE k.payment_id = p.id)
    ON CONFLICT (payment_id) DO NOTHING
    """
)
"""A success whose exchange log holds the rail's own proof of reference and amount."""


def match_day(session: Session, *, run_id: UUID, until: datetime) -> int:
    """Match every settled payment up to the end of a day with its proof; returns how many."""
    result = session.execute(MATCH, {"run_id": run_id, "until": until})
    return int(getattr(result, "rowcount", 0))


def reconcile_by_hand(
    session: Session, *, payment_id: UUID, evidence: dict[str, Any], actor: Actor
) -> PaymentReconciliation:
    """Match one settled payment with evidence that a person names.

    Raises:
        PaymentNotFound: none such within scope.
        NotSettled: the payment is not a success.
        ReconcilerIsExecutor: the same person released it.
        AlreadyReconciled: it was matched before.
    """
    payment: Payment = visibility.payment(session, actor=actor, payment_id=payment_id)
    if payment.status is not PaymentStatus.SUCCESS:
        raise NotSettled
    released_it = session.query(PaymentExecution.id).filter_by(
        payment_id=payment.id, executor_id=actor.user_id
    )
    if session.query(released_it.exists()).scalar():
        raise ReconcilerIsExecutor
    fact = PaymentReconciliation(
        company_id=payment.company_id,
        payment_id=payment.id,
        source=EvidenceSource.MANUAL,
        reconciled_by=actor.user_id,
        evidence=evidence,
    )
    try:
        with session.begin_nested():
            session.add(fact)
            session.flush()  # the unique constraint answers here, not at the end of the request
    except IntegrityError as error:
        if db.constraint(error) == "uq_payment_reconciliations_payment_id":
            raise AlreadyReconciled from error
        raise
    return fact
