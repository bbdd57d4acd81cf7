"""The gateway exchange log: an append-only row for every call of or by a rail, sanitised by it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from pettycash.gateways.base import Asked, GatewayExchange, Outcome, OutcomeKind, RequestType
from pettycash.models.payments import (
    GatewayExchangeType,
    Payment,
    PaymentAttempt,
    PaymentTransaction,
)
from pettycash.runtime.rails import Method
from pettycash.services.foundation.log_events import log_event

BY_PEOPLE = "people."
"""Begins the code of what two people said (`case_resolutions`)."""

EVIDENCE = "evidence"
"""Stands as the gateway where no rail said it."""

NOT_PAID = "people.not_paid"
"""Code of what two people say of money that did not move."""

SUCCESSFUL = frozenset({OutcomeKind.ACCEPTED, OutcomeKind.SETTLED})


def log(
    session: Session, *, payment: Payment, attempt: PaymentAttempt, outcome: Outcome | Asked
) -> None:
    """Write what was said, the exchanges before the decisive one first."""
    kind = "asked" if isinstance(outcome, Asked) else outcome.kind.value
    success = isinstance(outcome, Asked) or outcome.kind in SUCCESSFUL
    for earlier in outcome.earlier_exchanges:
        _write(session, payment, attempt, earlier, status="superseded", success=False)
    _write(session, payment, attempt, outcome.exchange, status=kind, success=success)


def log_own(
    session: Session,
    *,
    payment: Payment,
    attempt: PaymentAttempt,
    request_type: GatewayExchangeType,
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
            gateway=Method.CASH.value if attempt.provider_account_id is None else EVIDENCE,
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


def as_unasked(outcome: Outcome) -> Outcome:
    """An answer that names no question that is known: logged as any callback is."""
    return replace(outcome, exchange=replace(outcome.exchange, request_type=RequestType.CONFIRM))


def has_answered(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether the rail has said itself, and not by an unasked callback, that money moved."""
    found = session.execute(
        select(PaymentTransaction.id)
        .where(
            *_of(attempt),
            PaymentTransaction.request_type != GatewayExchangeType.CONFIRM,
            PaymentTransaction.status == OutcomeKind.SETTLED.value,
        )
        .limit(1)
    )
    return found.first() is not None


def is_from_callbacks_alone(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether neither the rail's own answer nor people say that a settled attempt moved money."""
    by_people = (attempt.outcome_code or "").startswith(BY_PEOPLE)
    return not by_people and not has_answered(session, attempt)


def last_heard(session: Session, attempt: PaymentAttempt) -> PaymentTransaction | None:
    """The newest report of the rail about an attempt, or the note that none came."""
    return session.execute(
        select(PaymentTransaction)
        .where(*_of(attempt), PaymentTransaction.gateway != EVIDENCE)
        .order_by(PaymentTransaction.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def denies(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether the rail's newest answer to a question that decides anything is that it failed."""
    newest = session.execute(
        select(PaymentTransaction.status)
        .where(
            *_of(attempt),
            PaymentTransaction.gateway != EVIDENCE,
            PaymentTransaction.request_type == GatewayExchangeType.QUERY,
            PaymentTransaction.status.in_((OutcomeKind.SETTLED.value, OutcomeKind.REJECTED.value)),
        )
        .order_by(PaymentTransaction.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return newest == OutcomeKind.REJECTED.value


def people_knew_it_accepted(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether the rail had said that it has the instruction before two people called it unpaid."""
    by_people = (
        select(PaymentTransaction.id)
        .where(*_of(attempt), PaymentTransaction.code == NOT_PAID)
        .order_by(PaymentTransaction.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = session.execute(
        select(PaymentTransaction.id)
        .where(
            *_of(attempt),
            PaymentTransaction.status == OutcomeKind.ACCEPTED.value,
            PaymentTransaction.id < by_people,
        )
        .limit(1)
    )
    return found.first() is not None


def _of(attempt: PaymentAttempt) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        PaymentTransaction.payment_id == attempt.payment_id,
        PaymentTransaction.attempt_id == attempt.id,
    )


def _write(
    session: Session,
    payment: Payment,
    attempt: PaymentAttempt,
    exchange: GatewayExchange,
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
            request_type=GatewayExchangeType(exchange.request_type.value),
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
