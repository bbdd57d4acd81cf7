"""Offers: the operations that somebody may do now with one object, and why not the others.

Each guard is the one that the verb itself calls under its lock; here nothing is locked or changed.
What only the doing can tell (an amount, a code, the store's money, a closed period) is not in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime import errors
from pettycash.services.foundation import decisions, permissions, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.decisions import DecisionKind, R
from pettycash.services.foundation.uow import Uow
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
from pettycash.services.requisitions import creation, deciding, lifecycle

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


def of_payment(uow: Uow, *, payment_id: UUID) -> list[Offer]:
    """List what the actor may do with a payment.

    Raises:
        PaymentNotFound: none such within scope.
    """
    payment = visibility.payment(uow, payment_id=payment_id)
    requisition = uow.session.get_one(Requisition, payment.requisition_id)
    both = (uow, requisition, payment)
    return _ask(
        uow.actor,
        {
            "payments.update": partial(changing.check_changing, *both),
            "payments.redirect": partial(redirects.check_payment, *both),
            "payments.cancel": partial(changing.check_cancelling, uow, payment),
            "payments.assign_executor": partial(releasing.check_assigning, requisition, payment),
            "payments.send_otp": partial(releasing.check_sending, *both),
            "payments.execute": partial(_check_release, *both),
            "payments.unlock_release": partial(releasing.check_unlocking, *both),
            "payments.acknowledge": partial(cash.check_acknowledging, uow, payment),
            "payments.requery": partial(status_queries.attempt_to_ask, uow.session, payment),
            "payments.reconcile": partial(payment_proofs.check_matching, uow, payment),
            "payments.record_variance": partial(variances.check_recording, uow, payment),
        },
    )


def of_requisition(uow: Uow, *, requisition_id: UUID) -> list[Offer]:
    """List what the actor may do with a requisition.

    Raises:
        RequisitionNotFound: none such within scope.
    """
    found = visibility.requisition(uow, requisition_id=requisition_id)
    decide = partial(deciding.waiting_step, uow, found)

    def approve() -> None:
        decide()
        deciding.check_urgency_answered(found)

    def confirm_urgency() -> None:
        decide()
        deciding.check_urgency_asked(found)

    return _ask(
        uow.actor,
        {
            "requisitions.update": partial(creation.check_changing, uow, found),
            "requisitions.submit": partial(lifecycle.check_submitting, uow, found),
            "requisitions.recall": partial(lifecycle.check_recalling, uow, found),
            "requisitions.cancel": partial(lifecycle.check_cancelling, uow, found),
            "requisitions.adopt": partial(adoption.check_adopting, uow, found),
            "requisitions.approve": approve,
            "requisitions.reject": decide,
            "requisitions.request_changes": decide,
            "requisitions.confirm_urgency": confirm_urgency,
            "requisitions.validate": partial(treasury_validation.check_validating, uow, found),
            "requisitions.redirect": partial(redirects.check_requisition, uow, found),
            "requisitions.return": partial(lifecycle.check_returning, uow, found),
            "requisitions.hold": partial(lifecycle.check_holding, uow, found),
            "requisitions.close_short": partial(lifecycle.check_closing_short, uow, found),
            "requisitions.review": partial(lifecycle.check_reviewing, uow, found),
        },
    )


def of_replenishment(uow: Uow, *, replenishment_id: UUID) -> list[Offer]:
    """List what the actor may do with a replenishment.

    Raises:
        ReplenishmentNotFound: none such within scope.
    """
    found = replenishments.get(uow, replenishment_id=replenishment_id)
    about = (uow, found)
    return _ask(
        uow.actor,
        {
            **_decide(uow, replenishments.REPLENISHMENT, found),
            "replenishments.cancel": partial(replenishments.check_cancelling, found),
            "replenishments.send_otp": partial(replenishments.check_claim, *about),
            "replenishments.fund": partial(replenishments.check_funding, *about),
            "replenishments.unlock_release": partial(replenishments.check_unlocking, *about),
            "replenishments.receive": partial(replenishments.check_receipt, *about),
        },
    )


def of_variance(uow: Uow, *, variance_id: UUID) -> list[Offer]:
    """List what the actor may do with a variance.

    Raises:
        VarianceNotFound: none such.
    """
    found = variances.get(uow.session, variance_id=variance_id)
    return _ask(uow.actor, _decide(uow, variances.VARIANCE, found))


def of_case(uow: Uow, *, case_id: UUID) -> list[Offer]:
    """List what the actor may do with a case.

    Raises:
        CaseNotFound: none such within scope.
    """
    found = cases.get(uow.session, case_id=case_id, actor=uow.actor)
    return _ask(
        uow.actor,
        {
            "cases.assign": partial(cases.check_open, found),
            "cases.resolve": partial(resolving.check_resolving, uow, found),
        },
    )


def of_change(uow: Uow, *, change_id: UUID) -> list[Offer]:
    """List what the actor may do with a two-person change.

    Raises:
        ChangeNotFound: none such within scope.
    """
    found = changes.get(uow, change_id=change_id)
    return _ask(
        uow.actor,
        {
            **_decide(uow, changes.CHANGE, found),
            "changes.withdraw": partial(decisions.check_withdrawing, uow, changes.CHANGE, found),
        },
    )


def _decide(uow: Uow, kind: DecisionKind[R], row: R) -> Mapping[str, Guard]:
    assert kind.refusing is not None, "both are operations"
    return {
        kind.accepting: partial(decisions.check, uow, kind, row),
        kind.refusing: partial(decisions.check, uow, kind, row, accepts=False),
    }


def _ask(actor: Actor, guards: Mapping[str, Guard]) -> list[Offer]:
    return [
        Offer(operation=operation, refusal=refusal_of(guard))
        for operation, guard in guards.items()
        if permissions.reaches(actor, operation)
    ]


def _check_release(uow: Uow, requisition: Requisition, payment: Payment) -> None:
    checked = execution.check_execution(uow, requisition, payment)
    execution.check_grant(uow, payment=payment, subject=checked.subject)
