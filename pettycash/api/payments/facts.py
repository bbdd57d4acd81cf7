"""Facts of a payment: releases, gateway exchange log; asking the rail, matching by hand."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.api.payments.payments import to_response
from pettycash.runtime.db import transaction
from pettycash.services import payments, reconciliation
from pettycash.services.foundation import visibility
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.visibility import PaymentNotFound
from pettycash.services.payments.evidence_checks import EvidenceDiffers
from pettycash.services.payments.lists import EXECUTIONS, TRANSACTIONS
from pettycash.services.payments.status_queries import NothingToAsk
from pettycash.services.reconciliation.payment_proofs import (
    AlreadyReconciled,
    NotSettled,
    ReconcilerIsExecutor,
)
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.payment_examples import (
    EXAMPLE_EXECUTING,
    EXAMPLE_EXECUTION,
    EXAMPLE_PAID,
    EXAMPLE_TRANSACTION,
)
from pettycash.web.schemas.payments import (
    EvidenceSchema,
    ExecutionSchema,
    PaymentDetailSchema,
    TransactionSchema,
)

blp = Blueprint(
    "payment_facts",
    __name__,
    url_prefix="/api/payments",
    description="Releases, exchanges and evidence of a payment.",
)


@blp.route("/executions/")
class AllExecutions(MethodView):
    @operation("executions.list")
    @blp.arguments(query_of(EXECUTIONS), location="query")
    @blp.response(200, page_of(ExecutionSchema), example=example_page(EXAMPLE_EXECUTION))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List releases with who released, which proof, and what became of each attempt."""
        with transaction() as session:
            return page(session, EXECUTIONS, current_actor(), arguments)


@blp.route("/gateway-exchanges/")
class AllGatewayExchanges(MethodView):
    @operation("gateway_exchanges.list")
    @blp.arguments(query_of(TRANSACTIONS), location="query")
    @blp.response(200, page_of(TransactionSchema), example=example_page(EXAMPLE_TRANSACTION))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List gateway exchanges, the newest first."""
        with transaction() as session:
            return page(session, TRANSACTIONS, current_actor(), arguments)


@blp.route("/<uuid:payment_id>/executions/")
class Executions(MethodView):
    @operation("payments.executions")
    @blp.arguments(query_of(EXECUTIONS, without=("payment_id",)), location="query")
    @blp.response(200, page_of(ExecutionSchema), example=example_page(EXAMPLE_EXECUTION))
    @refuses(PaymentNotFound)
    def get(self, arguments: dict[str, Any], payment_id: UUID) -> ListPage:
        """List who released the payment, with which proof, and what became of each attempt."""
        with transaction() as session:
            visibility.payment(session, actor=current_actor(), payment_id=payment_id)
            return page(session, EXECUTIONS, current_actor(), arguments, payment_id=payment_id)


@blp.route("/<uuid:payment_id>/transactions/")
class Transactions(MethodView):
    @operation("payments.transactions")
    @blp.arguments(query_of(TRANSACTIONS, without=("payment_id",)), location="query")
    @blp.response(200, page_of(TransactionSchema), example=example_page(EXAMPLE_TRANSACTION))
    @refuses(PaymentNotFound)
    def get(self, arguments: dict[str, Any], payment_id: UUID) -> ListPage:
        """List every conversation with the rail about the payment, the newest first."""
        with transaction() as session:
            visibility.payment(session, actor=current_actor(), payment_id=payment_id)
            return page(session, TRANSACTIONS, current_actor(), arguments, payment_id=payment_id)


@blp.route("/<uuid:payment_id>/requery/")
class Requery(MethodView):
    @operation("payments.requery")
    @idempotent()
    @blp.response(202, PaymentDetailSchema, example=EXAMPLE_EXECUTING)
    @refuses(NothingToAsk, PaymentNotFound)
    @sends("ETag")
    def post(self, payment_id: UUID) -> dict[str, Any]:
        """Have the rail asked now what became of the payment."""
        with transaction() as session:
            payments.requery(
                session,
                payment_id=payment_id,
                actor=current_actor(),
                now=session.info["now"],
            )
            return to_response(session, payment_id)


@blp.route("/<uuid:payment_id>/reconcile/")
class Reconciling(MethodView):
    @operation("payments.reconcile")
    @idempotent()
    @blp.arguments(
        EvidenceSchema,
        example={
            "provider_reference": "RKT1234567",
            "note": "M-Pesa organisation statement of 2026-11-20, line 14",
            "amount": "1500.00",
        },
    )
    @blp.response(
        200,
        PaymentDetailSchema,
        example={
            **EXAMPLE_PAID,
            "reconciled": True,
            "reconciled_at": "2026-11-21T07:00:00+00:00",
            "reconciled_by_id": EXAMPLE_PAID["maker_id"],
            "reconciled_with": "manual",
        },
    )
    @refuses(
        AlreadyReconciled,
        EvidenceDiffers,
        NotSeparate,
        NotSettled,
        PaymentNotFound,
        ReconcilerIsExecutor,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], payment_id: UUID) -> dict[str, Any]:
        """Match a paid payment with evidence; not by who released it."""
        actor = current_actor()
        with transaction() as session:
            payments.check_evidence(session, payment_id=payment_id, evidence=body, actor=actor)
            reconciliation.reconcile_by_hand(
                session,
                payment_id=payment_id,
                evidence={name: str(value) for name, value in body.items()},
                actor=actor,
            )
            return to_response(session, payment_id)
