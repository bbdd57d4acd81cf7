"""Codes for payments: what `releases` does, about a payment and under its locks."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.releases import ReleaseChallenge
from pettycash.models.requisitions import Requisition
from pettycash.services import pauses, releases
from pettycash.services.actors import Actor
from pettycash.services.payments import facts
from pettycash.services.payments.execution import check_state


def send_code(
    session: Session, *, payment_id: UUID, actor: Actor, now: datetime
) -> ReleaseChallenge:
    """Become the executor of a payment and be sent the code that releases it.

    Raises:
        PaymentNotFound: none such within scope.
        IllegalTransition, RequisitionNotPayable, FailureUnconfirmed, BlockedByCase,
        RetriesExhausted, RedirectOpen: it can't be released now.
        Paused: company, store or provider account is paused.
        and what `releases.request_code` refuses.
    """
    payment, subject = _releasable(session, payment_id=payment_id, actor=actor)
    _check_pause(session, payment)
    return releases.request_code(session, subject=subject, actor=actor, now=now)


def verify_code(
    session: Session, *, payment_id: UUID, code: str, actor: Actor, now: datetime
) -> releases.CodeResult:
    """Count a try and compare it. The caller commits, then raises a refusal of the result.

    Raises:
        as `send_code`, and what `releases.check_code` refuses without counting.
    """
    payment, subject = _releasable(session, payment_id=payment_id, actor=actor)
    _check_pause(session, payment)
    return releases.check_code(session, subject=subject, actor=actor, code=code, now=now)


def assign_executor(
    session: Session, *, payment_id: UUID, executor_id: UUID, actor: Actor, now: datetime
) -> Payment:
    """Name who releases a payment; whatever claim there was ends.

    Raises:
        as `send_code`; CannotRelease: that person may not release it.
    """
    payment, subject = _releasable(session, payment_id=payment_id, actor=actor)
    releases.assign(session, subject=subject, executor_id=executor_id, actor=actor, now=now)
    return payment


def unlock_release(session: Session, *, payment_id: UUID, actor: Actor, now: datetime) -> Payment:
    """Unlock the release of a payment after too many failed codes.

    Raises:
        PaymentNotFound: none such within scope.
        NotLocked: it is not locked.
        NotSeparate: the failed codes were the actor's own.
    """
    requisition, payment = facts.locked(session, payment_id=payment_id, actor=actor)
    subject = facts.subject_of(session, payment=payment, requisition=requisition)
    releases.unlock(session, subject=subject, actor=actor, now=now)
    return payment


def _releasable(
    session: Session, *, payment_id: UUID, actor: Actor
) -> tuple[Payment, releases.ReleaseSubject]:
    requisition: Requisition
    requisition, payment = facts.locked(session, payment_id=payment_id, actor=actor)
    check_state(requisition, payment)
    return payment, facts.subject_of(session, payment=payment, requisition=requisition)


def _check_pause(session: Session, payment: Payment) -> None:
    pauses.check(
        session, store_id=payment.store_id, provider_account_id=payment.provider_account_id
    )
