"""Proofs of settled payments, matched in one statement for a whole day."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.payments import (
    EvidenceSource,
    Payment,
    PaymentReconciliation,
    PaymentStatus,
)
from pettycash.runtime import db, errors
from pettycash.services.foundation import duties, visibility
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow


class NotSettled(errors.Conflict):
    """Only a payment that settled can be matched with evidence."""

    code = "reconciliation.not_settled"


class AlreadyReconciled(errors.Conflict):
    """The payment was matched with evidence already."""

    code = "reconciliation.already_reconciled"


class ReconcilerIsExecutor(errors.KeptApart):
    """You released this payment; another person must match it."""

    code = "reconciliation.reconciler_is_executor"


MATCH = text(
    """
    WITH due AS MATERIALIZED (
        SELECT p.company_id, p.id AS payment_id, t.id AS attempt_id, t.provider_account_id,
            t.provider_reference, t.originator_reference, t.settled_amount
        FROM payments p JOIN payment_attempts t ON t.payment_id = p.id AND t.state = 'settled'
            -- Told of two more equalities, the planner would expect one row of a million.
            AND CASE WHEN t.settled_amount = p.amount
                AND t.provider_reference = p.provider_reference THEN true ELSE false END
        WHERE p.status = 'success' AND p.paid_at < :until
            AND NOT EXISTS (SELECT FROM payment_reconciliations k WHERE k.payment_id = p.id)
    ), proven AS (
        -- By the oldest answer to a question, or else the oldest report of any other kind.
        SELECT DISTINCT ON (due.attempt_id) due.*, x.id AS exchange_id, x.request_type
        FROM due JOIN payment_transactions x
            ON x.attempt_id = due.attempt_id AND x.payment_id = due.payment_id
        WHERE x.success AND x.request_type IN ('QUERY', 'CONFIRM', 'INITIATE')
        ORDER BY due.attempt_id, (x.request_type = 'QUERY') DESC, x.id
    )
    INSERT INTO payment_reconciliations (id, company_id, payment_id, run_id, source, evidence)
    SELECT new_key(), company_id, payment_id, :run_id,
        CASE WHEN provider_account_id IS NULL THEN 'acknowledgement'
             WHEN request_type = 'QUERY' THEN 'gateway_query' ELSE 'callback' END,
        jsonb_build_object('provider_reference', provider_reference,
            'originator_reference', originator_reference, 'amount', settled_amount,
            'exchange_id', exchange_id)
    FROM proven
    ON CONFLICT (payment_id) DO NOTHING
    """
)
"""A success whose gateway exchange log holds the rail's own proof of reference and amount.

What is due meets the log once, so that the work grows with either and never with their product."""


def match_day(session: Session, *, run_id: UUID, until: datetime) -> int:
    """Match every settled payment up to the end of a day with its proof; returns how many.

    One at a time of a company: two at once would insert the same rows, and wait for each other.
    """
    name = func.hashtextextended(f"reconciliation.match:{session.info['scope'].company_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(name)))
    result = session.execute(MATCH, {"run_id": run_id, "until": until})
    return int(getattr(result, "rowcount", 0))


UNPROVEN = text(
    """
    WITH unmatched AS MATERIALIZED (
        SELECT p.id, p.requisition_id, p.number, p.amount, p.currency, p.status,
            p.provider_reference
        FROM payments p
        WHERE p.status = 'success' AND p.paid_at < :until
            AND NOT EXISTS (SELECT FROM payment_reconciliations k WHERE k.payment_id = p.id)
    )
    SELECT id, number, amount, currency, status FROM unmatched p
    -- What settled since the matching has its proof, and is matched by the next nightly run.
    WHERE NOT EXISTS (
        SELECT FROM payment_attempts t JOIN payment_transactions x
            ON x.attempt_id = t.id AND x.payment_id = t.payment_id
        WHERE t.payment_id = p.id AND t.state = 'settled' AND t.settled_amount = p.amount
            AND t.provider_reference = p.provider_reference
            AND x.success AND x.request_type IN ('QUERY', 'CONFIRM', 'INITIATE'))
    ORDER BY requisition_id, id
    """
)
"""The successes that MATCH could not match whenever it ran, in the order of locks."""


def unproven(session: Session, *, until: datetime) -> Sequence[Row[Any]]:
    """The settled payments up to the end of a day whose gateway exchange log proves nothing."""
    return session.execute(UNPROVEN, {"until": until}).all()


def reconcile_by_hand(
    uow: Uow, *, payment_id: UUID, evidence: dict[str, Any]
) -> PaymentReconciliation:
    """Match one settled payment with evidence that a person names.

    Raises:
        PaymentNotFound: none such within scope.
        NotSettled: the payment is not a success.
        ReconcilerIsExecutor: the same person released it, or asked for its code.
        NotSeparate: they asked for the money, or get it.
        AlreadyReconciled: it was matched before.
    """
    payment: Payment = visibility.payment(uow, payment_id=payment_id)
    check_matching(uow, payment)
    fact = PaymentReconciliation(
        company_id=payment.company_id,
        payment_id=payment.id,
        source=EvidenceSource.MANUAL,
        reconciled_by=uow.actor.user_id,
        evidence=evidence,
    )
    try:
        with uow.session.begin_nested():
            uow.session.add(fact)
            uow.session.flush()  # the unique constraint answers here, not at the end of the request
    except IntegrityError as error:
        if db.constraint(error) == "uq_payment_reconciliations_payment_id":
            raise AlreadyReconciled from error
        raise
    return fact


def check_matching(uow: Uow, payment: Payment) -> None:
    """Refuse who may not match a payment with evidence as it stands.

    Raises:
        NotSettled, ReconcilerIsExecutor, NotSeparate: see `reconcile_by_hand`.
    """
    if payment.status is not PaymentStatus.SUCCESS:
        raise NotSettled
    known = duties.holders(uow.session, requisition_id=payment.requisition_id)
    for duty, refusal in (
        (Duty.MATCHER, ReconcilerIsExecutor),
        (Duty.RECORDER, duties.NotSeparate),
    ):
        own = duties.others(known, duty).get(uow.actor.user_id)
        if own is not None:
            raise refusal(duties.refusal(own, duty).detail)
