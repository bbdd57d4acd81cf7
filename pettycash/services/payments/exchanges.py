"""The exchange log: one append-only row for every conversation with a rail, sanitised by it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import Asked, Exchange, Outcome, OutcomeKind, RequestType
from pettycash.models.attempts import ExchangeType, PaymentAttempt, PaymentTransaction
from pettycash.models.payments import Payment
from pettycash.rails import Method
from pettycash.services.log_events import log_event

BY_PEOPLE = "people."
"""Begins the code of what two people said (`case_resolutions`)."""

SUCCESSFUL = frozenset({OutcomeKind.ACCEPTED, OutcomeKind.SETTLED})


def log(
    session: Session, *, payment: Payment, attempt: PaymentAttempt, said: Outcome | Asked
) -> None:
    """Write what was said, the exchanges before the decisive one first."""
    kind = "asked" if isinstance(said, Asked) else said.kind.value
    success = isinstance(said, Asked) or said.kind in SUCCESSFUL
    for earlier in said.earlier_exchanges:
        _write(session, payment, attempt, earlier, status="superseded", success=False)
    _write(session, payment, attempt, said.exchange, status=kind, success=success)


def log_own(
    session: Session,
    *,
    payment: Payment,
    attempt: PaymentAttempt,
    request_type: ExchangeType,
    status: str,
    code: str,
    message: str,
    request: Mapping[str, Any],
    success: bool,
) -> None:
    """Write what no rail said: cash that changed hands or did not, evidence that people gave, or
    that nobody heard an answer (a code that begins with `local.`).
    """
    _add(
        session,
        PaymentTransaction(
            company_id=attempt.company_id,
            payment_id=payment.id,
            attempt_id=attempt.id,
            gateway=Method.CASH.value if attempt.provider_account_id is None else "evidence",
            request_type=request_type,
            request=dict(request),
            response={},
            code=code,
            message=message,
            status=status,
            success=success,
            request_id=attempt.request_id,
        ),
    )


def as_unasked(said: Outcome) -> Outcome:
    """An answer that names no question that is known: logged as any callback is."""
    return replace(said, exchange=replace(said.exchange, request_type=RequestType.CONFIRM))


def has_answered(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether the rail has said itself, and not by an unasked callback, that money moved."""
    found = session.execute(
        select(PaymentTransaction.id)
        .where(
            PaymentTransaction.payment_id == attempt.payment_id,
            PaymentTransaction.attempt_id == attempt.id,
            PaymentTransaction.request_type != ExchangeType.CONFIRM,
            PaymentTransaction.status == OutcomeKind.SETTLED.value,
        )
        .limit(1)
    )
    return found.first() is not None


def is_from_callbacks_alone(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether neither the rail's own answer nor people say that a settled attempt moved money."""
    by_people = (attempt.outcome_code or "").startswith(BY_PEOPLE)
    return not by_people and not has_answered(session, attempt)


def _write(
    session: Session,
    payment: Payment,
    attempt: PaymentAttempt,
    exchange: Exchange,
    *,
    status: str,
    success: bool,
) -> None:
    _add(
        session,
        PaymentTransaction(
            company_id=attempt.company_id,
            payment_id=payment.id,
            attempt_id=attempt.id,
            gateway=payment.method.value,
            request_type=ExchangeType(exchange.request_type.value),
            request=dict(exchange.request),
            response=dict(exchange.response or {}),
            http_status=exchange.http_status,
            code=exchange.code,
            message=exchange.message,
            status=status,
            success=success,
            processing_time_ms=exchange.processing_time_ms,
            request_id=attempt.request_id,
        ),
    )


def _add(session: Session, row: PaymentTransaction) -> None:
    session.add(row)
    log_event(
        session,
        f"exchange.{row.request_type.value.lower()}",
        payment_id=row.payment_id,
        attempt_id=row.attempt_id,
        gateway=row.gateway,
        status=row.status,
        http_status=row.http_status,
        code=row.code,
        ms=row.processing_time_ms,
    )
