"""Facts of a payment: releases, gateway exchange log; asking the rail, matching by hand."""

from typing import Any
from uuid import UUID

from pettycash.services import payments, reconciliation
from pettycash.services.foundation import visibility
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments.evidence_checks import EvidenceDiffers
from pettycash.services.payments.lists import EXECUTIONS, TRANSACTIONS
from pettycash.services.payments.status_queries import NothingToAsk
from pettycash.services.reconciliation.payment_proofs import (
    AlreadyReconciled,
    NotSettled,
    ReconcilerIsExecutor,
)
from pettycash.web.etags import Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.operations.payments.payments import shown
from pettycash.web.refusals import refuses
from pettycash.web.schemas import payment_examples as shapes
from pettycash.web.schemas.payments import (
    EvidenceSchema,
    ExecutionSchema,
    PaymentDetailSchema,
    TransactionSchema,
)

list_executions = list_of(
    "executions.list",
    EXECUTIONS,
    "List releases with who released, which proof, and what became of each attempt.",
    answers=ExecutionSchema,
    example=shapes.EXAMPLE_EXECUTION,
)


list_gateway_exchanges = list_of(
    "gateway_exchanges.list",
    TRANSACTIONS,
    "List gateway exchanges, the newest first.",
    answers=TransactionSchema,
    example=shapes.EXAMPLE_TRANSACTION,
)


@operation(
    "payments.executions",
    listing=EXECUTIONS,
    without=("payment_id",),
    answers=ExecutionSchema,
    example=shapes.EXAMPLE_EXECUTION,
)
@refuses(visibility.PaymentNotFound)
def executions(uow: Uow, /, *, payment_id: UUID, **arguments: Any) -> ListPage:
    """List who released the payment, with which proof, and what became of each attempt."""
    visibility.payment(uow, payment_id=payment_id)
    return page(uow, EXECUTIONS, arguments, payment_id=payment_id)


@operation(
    "payments.transactions",
    listing=TRANSACTIONS,
    without=("payment_id",),
    answers=TransactionSchema,
    example=shapes.EXAMPLE_TRANSACTION,
)
@refuses(visibility.PaymentNotFound)
def transactions(uow: Uow, /, *, payment_id: UUID, **arguments: Any) -> ListPage:
    """List every conversation with the rail about the payment, the newest first."""
    visibility.payment(uow, payment_id=payment_id)
    return page(uow, TRANSACTIONS, arguments, payment_id=payment_id)


@operation(
    "payments.requery",
    status=202,
    answers=PaymentDetailSchema,
    example=shapes.EXAMPLE_EXECUTING,
    etag=True,
)
@refuses(NothingToAsk, visibility.PaymentNotFound)
def requery(uow: Uow, *, payment_id: UUID) -> Tagged:
    """Have the rail asked now what became of the payment."""
    payments.requery(uow.session, payment_id=payment_id, actor=uow.actor, now=uow.now)
    return shown(uow, payment_id)


@operation(
    "payments.reconcile",
    takes=EvidenceSchema,
    given={
        "provider_reference": "RKT1234567",
        "note": "M-Pesa organisation statement of 2026-11-20, line 14",
        "amount": "1500.00",
    },
    answers=PaymentDetailSchema,
    example={
        **shapes.EXAMPLE_PAID,
        "reconciled": True,
        "reconciled_at": "2026-11-21T07:00:00+00:00",
        "reconciled_by_id": shapes.EXAMPLE_PAID["maker_id"],
        "reconciled_with": "manual",
    },
    etag=True,
)
@refuses(
    AlreadyReconciled,
    EvidenceDiffers,
    NotSeparate,
    NotSettled,
    visibility.PaymentNotFound,
    ReconcilerIsExecutor,
)
def reconcile(uow: Uow, /, *, payment_id: UUID, **facts: Any) -> Tagged:
    """Match a paid payment with evidence; not by who released it."""
    payments.check_evidence(uow, payment_id=payment_id, evidence=facts)
    reconciliation.reconcile_by_hand(
        uow, payment_id=payment_id, evidence={name: str(value) for name, value in facts.items()}
    )
    return shown(uow, payment_id)
