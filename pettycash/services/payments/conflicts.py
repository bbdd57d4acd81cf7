"""An approver turns out to ask for the money or to get it, before any of it left.

Their decision is void: what was made of it ends, and others take their steps (`duties.ApprovalVoid`
was raised, and nothing else was done). Once money left, it is a case.
"""

from uuid import UUID

from sqlalchemy import select

from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.releases import EndCause
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db
from pettycash.services import releases
from pettycash.services.approvals import rounds
from pettycash.services.foundation import duties
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases, changes
from pettycash.services.payments import facts
from pettycash.services.requisitions.creation import withdraw_approval


def settle(uow: Uow, *, requisition_id: UUID) -> None:
    """Cancel payments of which nothing left and ask others to approve, or open a case.

    Raises:
        MissingScope, NoApprover: nobody else may take one of the steps.
    """
    session = uow.session
    requisition = db.lock(session, Requisition, requisition_id)
    assert requisition is not None, "its approval was found void just now"
    known = duties.holders(session, requisition_id=requisition_id)
    void = duties.conflicted(session, known, subject_id=requisition_id)
    if not void:
        return
    payments = (
        session.execute(
            select(Payment)
            .where(
                Payment.requisition_id == requisition_id, Payment.status != PaymentStatus.CANCELLED
            )
            .order_by(Payment.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )
    if not all(_is_free(payment) for payment in payments):
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            object_type="requisition",
            object_id=requisition_id,
            summary=f"{requisition.number}: an approver asked for the money or gets it.",
            evidence={"approvers": sorted(str(person) for person in void)},
            severity=Severity.SEVERE,
        )
        return
    ended: tuple[Payment | Requisition, ...] = (requisition, *payments)
    for of in ended:
        changes.drop_redirect(uow, of, comment="An approval was void.")
    for payment in payments:
        payment.move_to(PaymentStatus.CANCELLED, at=uow.now)
        payment.executor_id = None
        subject = facts.subject_of(session, payment=payment, requisition=requisition)
        releases.void(session, subject=subject, cause=EndCause.CHANGED, now=uow.now)
    if requisition.status is RequisitionStatus.IN_PAYMENT:
        # What was approved stays written: a late proof of an old attempt may still post.
        requisition.validated_at = None
        requisition.validated_by = None
    else:
        withdraw_approval(requisition)
    rounds.resolve_anew(session, subject=requisition, void=void, now=uow.now)


def _is_free(payment: Payment) -> bool:
    """Whether nothing of it left, nor may have."""
    if payment.blocked_by_case_id is not None:
        return False
    is_failed = payment.status is PaymentStatus.FAILED and payment.failure_confirmed
    return is_failed or payment.status is PaymentStatus.PENDING
