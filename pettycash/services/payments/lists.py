"""Lists of payments, of their releases and of what was said with rails."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, select, true
from sqlalchemy.orm import InstrumentedAttribute

from pettycash.models.access import Role
from pettycash.models.imprest import Store
from pettycash.models.payments import (
    Payment,
    PaymentAttempt,
    PaymentReconciliation,
    PaymentStatus,
    PaymentTransaction,
)
from pettycash.models.releases import PaymentExecution
from pettycash.models.requisitions import Requisition
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import (
    Filter,
    Find,
    Listing,
    between,
    days,
    exact,
    flag,
    many,
    since,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments.reading import LISTED, summary

SEES_CLIENT_INFO = frozenset({Role.AUDITOR, Role.CFO})
"""Roles that see the client info of a release."""

REFERENCE_LENGTH_MAX = 100


def _summaries(
    uow: Uow, rows: Sequence[tuple[Payment, Requisition, PaymentReconciliation | None]]
) -> list[dict[str, Any]]:
    return [summary(payment, requisition, fact, uow.actor) for payment, requisition, fact in rows]


PAYMENTS = Listing(
    name="payments.list",
    query=LISTED,
    scope=visibility.payments,
    filters={
        "status": many(Payment.status),
        "method": many(Payment.method),
        "currency": many(Payment.currency, Currency),
        "payment_type": many(Requisition.kind),
        **{
            name: many(getattr(Requisition, name))
            for name in ("region_id", "branch_id", "department_id")
        },
        **{
            name: exact(getattr(Payment, name))
            for name in ("requisition_id", "provider_account_id", "maker_id", "executor_id")
        },
        "store_id": many(Payment.store_id),
        "fund_id": Filter(
            kind=UUID,
            several=True,
            where=lambda ids, _uow: Payment.store_id.in_(
                select(Store.id).where(Store.fund_id.in_(ids))
            ),
        ),
        "destination": Filter(
            kind=str,
            where=lambda value, uow: and_(
                Payment.destination == value, literal(visibility.sees_payees(uow.actor))
            ),
            description="As an answer shows it, to readers who see payees.",
        ),
        "reconciled": flag(PaymentReconciliation.id.is_not(None)),
        "standing_validation_id": exact(Payment.standing_validation_id),
        "is_standing": flag(
            Payment.standing_validation_id.is_not(None),
            text="Under a standing validation: no person validated it.",
        ),
        "is_blocked": flag(Payment.blocked_by_case_id.is_not(None)),
        "is_release_locked": flag(Payment.release_locked_at.is_not(None)),
        **{
            name: exact(getattr(Payment, name), longest=REFERENCE_LENGTH_MAX)
            for name in ("originator_reference", "provider_reference", "external_reference")
        },
        **between("amount", Payment.amount),
        **days(Payment.created_at),
        **days(Payment.paid_at, "paid"),
        **days(Payment.status_changed_at, "failed", where=Payment.status == PaymentStatus.FAILED),
        **days(
            Payment.status_changed_at, "reversed", where=Payment.status == PaymentStatus.REVERSED
        ),
        "updated_since": since(Payment.updated_at),
    },
    find=Find(
        words=(
            Payment.number,
            Payment.originator_reference,
            Payment.provider_reference,
        ),
        payees=(Payment.payee_name, Payment.external_reference),
        text="Words of number, payee and references, in any case.",
    ),
    orders={"newest": (Payment.id.desc(),), "oldest": (Payment.id,)},
    show=_summaries,
    columns=(
        "number",
        "requisition_number",
        "status",
        "payment_type",
        "method",
        "payee_name",
        "destination",
        "amount",
        "currency",
        "maker_id",
        "standing_validation_id",
        "executor_id",
        "created_at",
        "paid_at",
        "originator_reference",
        "provider_reference",
        "external_reference",
        "reconciled",
    ),
    people=("maker_id", "executor_id", "reconciled_by"),
    hides_people=True,
)


def _executions(
    uow: Uow, rows: Sequence[tuple[PaymentExecution, PaymentAttempt]]
) -> list[dict[str, Any]]:
    with_client_info = uow.actor.has(*SEES_CLIENT_INFO)
    return [_execution(*row, with_client_info=with_client_info) for row in rows]


def _execution(
    released: PaymentExecution, attempt: PaymentAttempt, *, with_client_info: bool
) -> dict[str, Any]:
    return {
        "id": released.id,
        "payment_id": released.payment_id,
        "attempt_number": released.attempt_number,
        "originator_reference": released.originator_reference,
        "executor_id": released.executor_id,
        "amount": released.amount,
        "currency": released.currency,
        "proof": released.proof,
        "otp_verified_at": released.verified_at,
        "ip_address": released.ip_address if with_client_info else None,
        "user_agent": released.user_agent if with_client_info else None,
        "executed_at": released.created_at,
        "state": attempt.state,
        "tries": attempt.tries,
        "first_sent_at": attempt.first_sent_at,
        "last_sent_at": attempt.last_sent_at,
        "decide_by": attempt.decide_by,
        "ever_unknown": attempt.ever_unknown,
        "questions": attempt.queries,
        "next_question_at": attempt.next_query_at,
        "provider_reference": attempt.provider_reference,
        "settled_amount": attempt.settled_amount,
        "fee": attempt.fee,
        "outcome_code": attempt.outcome_code,
        "outcome_message": attempt.outcome_message,
    }


def _of_payments(actor: Actor, payment_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    if visibility.sees_company(actor):
        return true()
    return payment_id.in_(select(Payment.id).where(visibility.payments(actor)))


EXECUTIONS = Listing(
    name="executions.list",
    query=select(PaymentExecution, PaymentAttempt).join(
        PaymentAttempt, PaymentAttempt.execution_id == PaymentExecution.id
    ),
    scope=lambda actor: _of_payments(actor, PaymentExecution.payment_id),
    filters={
        "payment_id": exact(PaymentExecution.payment_id),
        "executor_id": many(PaymentExecution.executor_id),
        "state": many(PaymentAttempt.state),
        "currency": many(PaymentExecution.currency, Currency),
        "proof": exact(PaymentExecution.proof, longest=20),
        "provider_account_id": exact(PaymentAttempt.provider_account_id),
        "ever_unknown": flag(PaymentAttempt.ever_unknown),
        "outcome_code": exact(PaymentAttempt.outcome_code, longest=64),
        **between("amount", PaymentExecution.amount),
        **days(PaymentExecution.created_at),
    },
    find=Find(
        exact=(PaymentExecution.originator_reference, PaymentAttempt.provider_reference),
        text="The whole of our reference or the provider's.",
    ),
    orders={
        "newest": (PaymentExecution.id.desc(),),
        "oldest": (PaymentExecution.id,),
    },
    show=_executions,
    columns=(
        "executed_at",
        "payment_id",
        "attempt_number",
        "executor_id",
        "proof",
        "amount",
        "currency",
        "state",
        "originator_reference",
        "provider_reference",
        "settled_amount",
        "fee",
        "outcome_code",
        "outcome_message",
    ),
    people=("executor_id",),
    hides_people=True,
)

TRANSACTIONS = Listing(
    name="payments.transactions",
    query=select(PaymentTransaction),
    scope=lambda actor: _of_payments(actor, PaymentTransaction.payment_id),
    filters={
        "payment_id": exact(PaymentTransaction.payment_id),
        "request_type": many(PaymentTransaction.request_type),
        "success": flag(PaymentTransaction.success),
        "code": exact(
            func.coalesce(PaymentTransaction.code, ""), str, longest=64, text="Empty: none."
        ),
        "gateway": exact(PaymentTransaction.gateway, longest=40),
        "slower_than_ms": Filter(
            kind=int, where=lambda value, _uow: PaymentTransaction.processing_time_ms > value
        ),
        **days(PaymentTransaction.created_at),
    },
    find=Find(exact=(PaymentTransaction.request_id,), text="The id of a request."),
    orders={"newest": (PaymentTransaction.id.desc(),), "oldest": (PaymentTransaction.id,)},
    columns=(
        "created_at",
        "gateway",
        "request_type",
        "status",
        "code",
        "message",
        "processing_time_ms",
        "payment_id",
    ),
)
"""The exchange log; its rows were sanitised when they were written."""
