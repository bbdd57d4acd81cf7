"""Offers: the operations that somebody may do now with one object, and why not the others.

Each guard is the one that the verb itself calls under its lock; here nothing is locked or changed.
What only the doing can tell (an amount, a code, the store's money, a closed period) is not in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime import errors
from pettycash.services.approvals import deciding
from pettycash.services.foundation import permissions, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.imprest import replenishments, variances
from pettycash.services.operations import cases, changes
from pettycash.services.payments import (
    adoption,
    cash,
    changing,
    execution,
    redirects,
    releasing,
    status_queries,
    treasury_validation,
)
from pettycash.services.payments.case_resolutions import resolving
from pettycash.services.reconciliation import payment_proofs
from pettycash.services.requisitions import creation, lifecycle

Guard = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """An operation that the reader's roles reach, and the refusal that it would meet."""

    operation: str
    refusal: errors.PettycashError | None

    @property
    def is_open(self) -> bool:
        """Whether nothing stands in its way."""
        return self.refusal is None

    @property
    def code(self) -> str | None:
        """Of the refusal."""
        return None if self.refusal is None else self.refusal.code

    @property
    def detail(self) -> str | None:
        """The refusal in a sentence."""
        return None if self.refusal is None else self.refusal.detail


def refusal_of(guard: Guard) -> errors.PettycashError | None:
    """The refusal of a guard; None where it lets pass."""
    try:
        guard()
    except errors.PettycashError as refusal:
        return refusal
    return None


def of_payment(session: Session, *, payment_id: UUID, actor: Actor, now: datetime) -> list[Offer]:
    """List what the actor may do with a payment.

    Raises:
        PaymentNotFound: none such within scope.
    """
    payment = visibility.payment(session, actor=actor, payment_id=payment_id)
    requisition = session.get_one(Requisition, payment.requisition_id)
    both = (session, requisition, payment)
    return _ask(
        actor,
        {
            "payments.update": partial(changing.check_changing, *both, actor=actor),
            "payments.redirect": partial(redirects.check_payment, *both, actor=actor),
            "payments.cancel": partial(changing.check_cancelling, session, payment, actor=actor),
            "payments.assign_executor": partial(releasing.check_assigning, requisition, payment),
            "payments.send_otp": partial(releasing.check_sending, *both, actor=actor, now=now),
            "payments.execute": partial(_check_release, *both, actor=actor, now=now),
            "payments.unlock_release": partial(releasing.check_unlocking, *both, actor=actor),
            "payments.acknowledge": partial(
                cash.check_acknowledging, session, payment, actor=actor
            ),
            "payments.requery": partial(status_queries.attempt_to_ask, session, payment),
            "payments.reconcile": partial(
                payment_proofs.check_matching, session, payment, actor=actor
            ),
            "payments.record_variance": partial(
                variances.check_recording, session, payment, actor=actor
            ),
        },
    )


def of_requisition(
    session: Session, *, requisition_id: UUID, actor: Actor, now: datetime
) -> list[Offer]:
    """List what the actor may do with a requisition.

    Raises:
        RequisitionNotFound: none such within scope.
    """
    found = visibility.requisition(session, actor=actor, requisition_id=requisition_id)
    decide = partial(deciding.waiting_step, session, found, actor=actor, now=now)

    def approve() -> None:
        decide()
        deciding.check_urgency_answered(found)

    def confirm_urgency() -> None:
        decide()
        deciding.check_urgency_asked(found)

    return _ask(
        actor,
        {
            "requisitions.update": partial(creation.check_changing, session, found, actor=actor),
            "requisitions.submit": partial(lifecycle.check_submitting, session, found, actor=actor),
            "requisitions.recall": partial(lifecycle.check_recalling, session, found, actor=actor),
            "requisitions.cancel": partial(
                lifecycle.check_cancelling, session, found, actor=actor, now=now
            ),
            "requisitions.adopt": partial(
                adoption.check_adopting, session, found, actor=actor, now=now
            ),
            "requisitions.approve": approve,
            "requisitions.reject": decide,
            "requisitions.request_changes": decide,
            "requisitions.confirm_urgency": confirm_urgency,
            "requisitions.validate": partial(
                treasury_validation.check_validating, session, found, actor=actor
            ),
            "requisitions.redirect": partial(
                redirects.check_requisition, session, found, actor=actor
            ),
            "requisitions.return": partial(lifecycle.check_returning, session, found, actor=actor),
            "requisitions.hold": partial(lifecycle.check_holding, session, found, actor=actor),
            "requisitions.close_short": partial(
                lifecycle.check_closing_short, session, found, actor=actor
            ),
            "requisitions.review": partial(lifecycle.check_reviewing, session, found, actor=actor),
        },
    )


def of_replenishment(
    session: Session, *, replenishment_id: UUID, actor: Actor, now: datetime
) -> list[Offer]:
    """List what the actor may do with a replenishment.

    Raises:
        ReplenishmentNotFound: none such within scope.
    """
    found = replenishments.get(session, actor=actor, replenishment_id=replenishment_id)
    about = (session, found)
    return _ask(
        actor,
        {
            "replenishments.approve": partial(
                replenishments.check_approval, *about, actor=actor, now=now
            ),
            "replenishments.reject": partial(replenishments.check_rejection, found, actor=actor),
            "replenishments.cancel": partial(replenishments.check_cancelling, found),
            "replenishments.send_otp": partial(
                replenishments.check_claim, *about, actor=actor, now=now
            ),
            "replenishments.fund": partial(
                replenishments.check_funding, *about, actor=actor, now=now
            ),
            "replenishments.unlock_release": partial(
                replenishments.check_unlocking, *about, actor=actor
            ),
            "replenishments.receive": partial(
                replenishments.check_receipt, *about, actor=actor, now=now
            ),
        },
    )


def of_variance(session: Session, *, variance_id: UUID, actor: Actor, now: datetime) -> list[Offer]:
    """List what the actor may do with a variance.

    Raises:
        VarianceNotFound: none such.
    """
    found = variances.get(session, variance_id=variance_id)
    decide = partial(variances.check_decision, session, found, actor=actor, now=now)
    return _ask(actor, {"variances.approve": decide, "variances.reject": decide})


def of_case(session: Session, *, case_id: UUID, actor: Actor, now: datetime) -> list[Offer]:
    """List what the actor may do with a case.

    Raises:
        CaseNotFound: none such within scope.
    """
    found = cases.get(session, case_id=case_id, actor=actor)
    return _ask(
        actor,
        {
            "cases.assign": partial(cases.check_open, found),
            "cases.resolve": partial(
                resolving.check_resolving, session, found, actor=actor, now=now
            ),
        },
    )


def of_change(session: Session, *, change_id: UUID, actor: Actor, now: datetime) -> list[Offer]:
    """List what the actor may do with a two-person change.

    Raises:
        ChangeNotFound: none such within scope.
    """
    found = changes.get(session, change_id=change_id, actor=actor, now=now)
    return _ask(
        actor,
        {
            "changes.confirm": partial(
                changes.check_confirming, session, found, actor=actor, now=now
            ),
            "changes.reject": partial(
                changes.check_rejecting, session, found, actor=actor, now=now
            ),
            "changes.withdraw": partial(changes.check_withdrawing, found, actor=actor),
        },
    )


def _ask(actor: Actor, guards: Mapping[str, Guard]) -> list[Offer]:
    return [
        Offer(operation=operation, refusal=refusal_of(guard))
        for operation, guard in guards.items()
        if permissions.reaches(actor, operation)
    ]


def _check_release(
    session: Session, requisition: Requisition, payment: Payment, *, actor: Actor, now: datetime
) -> None:
    checked = execution.check_execution(session, requisition, payment, actor=actor, now=now)
    execution.check_grant(session, payment=payment, subject=checked.subject, actor=actor, now=now)
