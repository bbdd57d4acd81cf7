"""Codes for payments: what `releases` does, about a payment and under its locks."""

from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.releases import ReleaseChallenge
from pettycash.models.requisitions import Requisition
from pettycash.services import releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments import facts, standing
from pettycash.services.payments.execution import check_state


def send_code(uow: Uow, *, payment_id: UUID) -> ReleaseChallenge:
    """Become the executor of a payment and be sent the code that releases it.

    Raises:
        PaymentNotFound: none such within scope.
        IllegalTransition, RequisitionNotPayable, FailureUnconfirmed, BlockedByCase,
        RetriesExhausted, RedirectOpen: it can't be released now.
        Paused: company, store or provider account is paused.
        NotCovered, AboveCashLimit: nobody validated it, and its fund's standing validation does
            not let it go now.
        and what `releases.request_code` refuses.
    """
    payment, subject = _releasable(uow, payment_id=payment_id)
    _check_pause(uow.session, payment)
    standing.check(uow.session, payment, now=uow.now)
    return releases.request_code(uow, subject=subject)


def check_sending(uow: Uow, requisition: Requisition, payment: Payment) -> None:
    """Refuse who may not ask for the code of a payment as it stands.

    Raises:
        as `send_code`.
    """
    check_state(requisition, payment)
    _check_pause(uow.session, payment)
    standing.check(uow.session, payment, now=uow.now)
    subject = facts.subject_of(uow.session, payment=payment, requisition=requisition)
    releases.check_claim(uow, subject=subject, row=payment)


def check_assigning(requisition: Requisition, payment: Payment) -> None:
    """Refuse to name who releases a payment as it stands.

    Raises:
        as `assign_executor`, but for who is named.
    """
    check_state(requisition, payment)
    releases.check_unlocked(payment)


def check_unlocking(uow: Uow, requisition: Requisition, payment: Payment) -> None:
    """Refuse who may not unlock the release of a payment as it stands.

    Raises:
        as `unlock_release`.
    """
    subject = facts.subject_of(uow.session, payment=payment, requisition=requisition)
    releases.check_unlocking(uow, subject=subject, row=payment)


def verify_code(uow: Uow, *, payment_id: UUID, code: str) -> releases.CodeResult:
    """Count a try and compare it. The caller commits, then raises a refusal of the result.

    Raises:
        as `send_code`, and what `releases.check_code` refuses without counting.
    """
    payment, subject = _releasable(uow, payment_id=payment_id)
    _check_pause(uow.session, payment)
    return releases.check_code(uow, subject=subject, code=code)


def assign_executor(uow: Uow, *, payment_id: UUID, executor_id: UUID) -> Payment:
    """Name who releases a payment; whatever claim there was ends.

    Raises:
        as `send_code`; CannotRelease: that person may not release it.
    """
    payment, subject = _releasable(uow, payment_id=payment_id)
    releases.assign(uow, subject=subject, executor_id=executor_id)
    return payment


def unlock_release(uow: Uow, *, payment_id: UUID) -> Payment:
    """Unlock the release of a payment after too many failed codes.

    Raises:
        PaymentNotFound: none such within scope.
        NotLocked: it is not locked.
        NotSeparate: the failed codes were the actor's own.
    """
    requisition, payment = facts.locked(uow.session, payment_id=payment_id, actor=uow.actor)
    subject = facts.subject_of(uow.session, payment=payment, requisition=requisition)
    releases.unlock(uow, subject=subject)
    return payment


def _releasable(uow: Uow, *, payment_id: UUID) -> tuple[Payment, releases.ReleaseSubject]:
    requisition: Requisition
    requisition, payment = facts.locked(uow.session, payment_id=payment_id, actor=uow.actor)
    check_state(requisition, payment)
    return payment, facts.subject_of(uow.session, payment=payment, requisition=requisition)


def _check_pause(session: Session, payment: Payment) -> None:
    pauses.check(
        session, store_id=payment.store_id, provider_account_id=payment.provider_account_id
    )
