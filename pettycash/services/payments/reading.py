"""A payment with what belongs to it, as somebody within scope reads it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from pettycash import settings
from pettycash.gateways.sanitising import mask_phone, sanitise
from pettycash.models.attempts import PaymentAttempt, PaymentTransaction
from pettycash.models.payments import Payment, PaymentReconciliation
from pettycash.models.people import Role
from pettycash.models.releases import PaymentExecution, ReleaseChallenge, ReleaseGrant
from pettycash.models.requisitions import Requisition
from pettycash.rails import Method
from pettycash.services import visibility
from pettycash.services.actors import Actor

UNMASKED = frozenset(Role) - {Role.OPERATOR, Role.ADMIN}
"""Who holds one of these sees payees of what is in scope; operators see masked data."""

SEES_ORIGINS = frozenset({Role.AUDITOR, Role.CFO})
"""Who sees from which address and program a release came."""

MOBILE = frozenset({Method.MPESA, Method.AIRTEL_MONEY, Method.MTN_MOMO})


def listed(actor: Actor) -> Select[Payment, Requisition, PaymentReconciliation]:
    """Payments within scope, each with its requisition and the evidence it was matched with."""
    return (
        select(Payment, Requisition, PaymentReconciliation)
        .join(Requisition, Requisition.id == Payment.requisition_id)
        .outerjoin(PaymentReconciliation, PaymentReconciliation.payment_id == Payment.id)
        .where(visibility.payments(actor))
    )


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
    if requisition.requester_id != actor.user_id and not actor.has(*UNMASKED):
        shown |= {
            "destination": mask_phone(payment.destination),
            "payee_name": f"{payment.payee_name[:1]}***",
            "client_metadata": {},
            "external_reference": sanitise(payment.external_reference),
            "last_error": sanitise(payment.last_error),
        }
    shown["phone_number"] = shown["destination"] if payment.method in MOBILE else None
    return shown


def detail(
    session: Session, *, payment_id: UUID, actor: Actor, now: datetime
) -> tuple[dict[str, Any], str]:
    """One payment with the state of its release, and the version tag of all that is shown.

    Raises:
        PaymentNotFound: none such within scope.
    """
    session.flush()
    row = session.execute(listed(actor).where(Payment.id == payment_id)).one_or_none()
    if row is None:
        raise visibility.PaymentNotFound
    payment, requisition, fact = row
    shown = summary(payment, requisition, fact, actor)
    shown["release"] = release_of(session, payment_id=payment_id, now=now)
    return shown, version_tag(session, payment)


def version_tag(session: Session, payment: Payment) -> str:
    """What changes whenever anything that `detail` shows does: also with codes and evidence."""
    session.flush()
    challenge = _newest_challenge(session, payment.id)
    release = "0"
    if challenge is not None:
        grant = _grant_of(session, challenge.id)
        spent = grant is not None and grant.spent_at is not None
        release = (
            f"{challenge.id.hex[-12:]}{challenge.state.value[0]}{challenge.tries}"
            f"{challenge.sends}{int(spent)}"
        )
    fact = session.execute(
        select(PaymentReconciliation.id).where(PaymentReconciliation.payment_id == payment.id)
    ).scalar_one_or_none()
    return f"{payment.version}.{release}.{int(fact is not None)}"


def release_of(session: Session, *, payment_id: UUID, now: datetime) -> dict[str, Any] | None:
    """Where the newest challenge stands; None where no code was ever asked for."""
    challenge = _newest_challenge(session, payment_id)
    if challenge is None:
        return None
    grant = _grant_of(session, challenge.id)
    return {
        "executor_id": challenge.executor_id,
        "state": challenge.state,
        "death_cause": challenge.death_cause,
        "requested_at": challenge.created_at,
        "otp_sent_timestamp": challenge.sent_at,
        "expires_at": challenge.expires_at,
        "tries_left": max(0, settings.current().code_tries_max - challenge.tries),
        "otp_verified": grant is not None,
        "otp_verified_timestamp": challenge.verified_at,
        "grant_expires_at": grant.expires_at if grant else None,
        "is_spendable": grant is not None
        and grant.spent_at is None
        and challenge.death_cause is None
        and grant.expires_at > now,
    }


def executions(payment_id: UUID) -> Select[PaymentExecution, PaymentAttempt]:
    """Who released a payment, each with the attempt that it became."""
    return (
        select(PaymentExecution, PaymentAttempt)
        .join(PaymentAttempt, PaymentAttempt.execution_id == PaymentExecution.id)
        .where(PaymentExecution.payment_id == payment_id)
    )


def execution(released: PaymentExecution, attempt: PaymentAttempt, actor: Actor) -> dict[str, Any]:
    """One release and what became of it."""
    with_origin = actor.has(*SEES_ORIGINS)
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
        "ip_address": released.ip_address if with_origin else None,
        "user_agent": released.user_agent if with_origin else None,
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


def transactions(payment_id: UUID) -> Select[PaymentTransaction]:
    """The exchange log of a payment; its rows were sanitised when they were written."""
    return select(PaymentTransaction).where(PaymentTransaction.payment_id == payment_id)


def _newest_challenge(session: Session, payment_id: UUID) -> ReleaseChallenge | None:
    return session.execute(
        select(ReleaseChallenge)
        .where(ReleaseChallenge.payment_id == payment_id)
        .order_by(ReleaseChallenge.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def _grant_of(session: Session, challenge_id: UUID) -> ReleaseGrant | None:
    return session.execute(
        select(ReleaseGrant).where(ReleaseGrant.challenge_id == challenge_id)
    ).scalar_one_or_none()
