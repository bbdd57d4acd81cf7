"""Codes for payments: what `releases` does, about a payment and under its locks."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.releases import ReleaseChallenge
from pettycash.models.requisitions import Requisition
from pettycash.services import releases
from pettycash.services.foundation.actors import Actor
from pettycash.services.operations import pauses
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


def check_sending(
    session: Session, requisition: Requisition, payment: Payment, *, actor: Actor, now: datetime
) -> None:
    """Refuse who may not ask for the code of a payment as it stands.

    Raises:
        as `send_code`.
    """
    check_state(requisition, payment)
    _check_pause(session, payment)
    subject = facts.subject_of(session, payment=payment, requisition=requisition)
    releases.check_claim(session, subject=subject, row=payment, actor=actor, now=now)


def check_assigning(requisition: Requisition, payment: Payment) -> None:
    """Refuse to name who releases a payment as it stands.

    Raises:
        as `assign_executor`, but for who is named.
    """
    check_state(requisition, payment)
    releases.check_unlocked(payment)


def check_unlocking(
    session: Session, requisition: Requisition, payment: Payment, *, actor: Actor
) -> None:
    """Refuse who may not unlock the release of a payment as it stands.

    Raises:
        as `unlock_release`.
    """
    subject = facts.subject_of(session, payment=payment, requisition=requisition)
    releases.check_unlocking(session, subject=subject, row=payment, actor=actor)


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
