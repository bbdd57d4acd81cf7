"""Changing and cancelling a payment before anything of it was sent."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import TrailAction
from pettycash.models.imprest import Store
from pettycash.models.payments import IllegalTransition, Payment, PaymentStatus
from pettycash.models.releases import EndCause
from pettycash.models.requisitions import Requisition
from pettycash.runtime import money
from pettycash.runtime.rails import Method
from pettycash.services import releases, requisitions
from pettycash.services.approvals import trail
from pettycash.services.foundation import company_settings, duties, security_log
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from pettycash.services.payments import cash, facts, restored, rules, settlement
from pettycash.services.payments.creation import check_maker
from pettycash.services.requisitions import approved_facts

CHANGEABLE = frozenset({"amount", "store_id", "metadata"})


def change(
    uow: Uow, *, requisition: Requisition, payment: Payment, changes: Mapping[str, Any]
) -> Payment:
    """Change a pending payment, both rows locked. Who changes it is its maker; live codes die.

    `changes` holds some of CHANGEABLE; payee, destination and method stay what was approved. What
    nobody has validated yet, the actor takes over, also where amount and store stay as they are.

    Raises:
        IllegalTransition: it is not pending any more.
        NotSeparate: the actor requested or approved it.
        RedirectOpen: the last approver has yet to decide where it goes.
        ExceedsApproved: more than is left of the approved amount.
        RedirectNeeded: more than a redirect sends there.
        MayHaveBeenPaid: its account may have paid it, in a time that a restore has lost.
        and what `rules` refuses.
    """
    session = uow.session
    check_changing(uow, requisition, payment)
    unknown = set(changes) - CHANGEABLE
    assert not unknown, f"not changeable: {unknown}"
    if "metadata" in changes:
        payment.client_metadata = dict(changes["metadata"])
    store = rules.fitting_store(
        session,
        store_id=changes.get("store_id", payment.store_id),
        requisition=requisition,
        method=payment.method,
        actor=uow.actor,
    )
    amount: Decimal = changes.get("amount", payment.amount)
    left = rules.remainder(session, requisition=requisition) + payment.amount
    if amount > left:
        left_text = money.text(left, payment.currency)
        raise rules.ExceedsApproved(errors={"amount": [f"At most {left_text}."]})
    rules.check_destination(
        session,
        requisition=requisition,
        method=payment.method,
        destination=payment.destination,
        amount=amount,
        payment_id=payment.id,
    )
    before = payment.digest
    reshape(
        session,
        payment=payment,
        amount=amount,
        method=payment.method,
        destination=payment.destination,
        store=store,
    )
    takes_over = payment.standing_validation_id is not None and set(changes) != {"metadata"}
    if payment.digest != before or takes_over:
        name_maker(uow, requisition=requisition, payment=payment, maker_id=uow.actor.user_id)
        void_release(
            session, payment=payment, requisition=requisition, cause=EndCause.CHANGED, now=uow.now
        )
    security_log.record(
        session,
        event="payment.changed",
        outcome="ok",
        detail={"payment_id": str(payment.id), "fields": sorted(changes)},
        actor=uow.actor,
    )
    return payment


def check_changing(uow: Uow, requisition: Requisition, payment: Payment) -> None:
    """Refuse who may not change a payment as it stands.

    Raises:
        IllegalTransition, NotSeparate, RedirectOpen: see `change`.
    """
    if payment.status is not PaymentStatus.PENDING:
        raise IllegalTransition(f"A payment that is {payment.status} can't be changed.")
    check_maker(uow, requisition=requisition)
    if payment.open_redirect_id is not None:
        raise approved_facts.RedirectOpen


def name_maker(uow: Uow, *, requisition: Requisition, payment: Payment, maker_id: UUID) -> None:
    """Let who changed a payment be its maker. Who was it before stays one: the trail keeps them."""
    if payment.maker_id not in (None, maker_id):
        row = trail.write(
            uow.session,
            requisition,
            TrailAction.CHANGED,
            actor=uow.actor,
            role=Role.TREASURY.value,
            comment=f"{payment.number} was made by one person and changed by another",
            override=duties.REMADE,
        )
        row.on_behalf_of = payment.maker_id
        uow.session.flush()  # the database looks for it
    payment.maker_id = maker_id
    payment.standing_validation_id = None


def reshape(
    session: Session,
    *,
    payment: Payment,
    amount: Decimal,
    method: Method,
    destination: str,
    store: Store,
) -> None:
    """Rewrite what a code releases; the caller ends the codes for what it was.

    Raises:
        MayHaveBeenPaid, and what `rules` refuses of an amount.
    """
    if payment.provider_account_id is not None:
        restored.check_moved(session, payment=payment, account_id=store.provider_account_id)
    rules.check_amount(
        session,
        requisition_id=payment.requisition_id,
        method=method,
        store=store,
        amount=amount,
        destination=destination,
        payment_id=payment.id,
    )
    payment.amount = amount
    payment.method = method
    payment.destination = destination
    payment.store_id = store.id
    payment.provider_account_id = store.provider_account_id
    payment.digest = facts.digest_of(payment)
    floor = company_settings.current(session).otp_floor(payment.currency)
    payment.otp_required = amount >= floor
    payment.version += 1


def cancel(uow: Uow, *, payment_id: UUID) -> Payment:
    """Give a payment up: pending or provably failed ones end; uncollected cash is voided.

    Treasury cancels what nothing was sent of. A custodian ends cash that nobody collected: the
    payment has then failed, its money is free again, and it was never in doubt.

    Raises:
        PaymentNotFound: none such within scope.
        IllegalTransition: it is on the wire, paid or over.
        NotSeparate: cash of another fund.
        FailureUnconfirmed, BlockedByCase: it may yet turn out to be paid.
    """
    session, now = uow.session, uow.now
    requisition, payment = facts.locked(session, payment_id=payment_id, actor=uow.actor)
    check_cancelling(uow, payment)
    is_cash_on_the_way = _is_cash_on_the_way(payment)
    if is_cash_on_the_way:
        attempt = facts.live_attempt(session, payment_id=payment.id)
        assert attempt is not None, "an executing payment has a live attempt"
        settlement.fail(
            session,
            locked=facts.LockedAttempt(requisition=requisition, payment=payment, attempt=attempt),
            code="cash.not_collected",
            message="Not collected; voided by the custodian.",
            confirmed=True,
            now=now,
        )
        cash.log_void(session, payment=payment, attempt=attempt)
    else:
        changes.drop_redirect(uow, payment, comment="The payment was cancelled.")
        payment.move_to(PaymentStatus.CANCELLED, at=now)
        void_release(
            session, payment=payment, requisition=requisition, cause=EndCause.CHANGED, now=now
        )
        session.flush()  # progress counts what stands in the table
        requisitions.payment_progress(session, requisition_id=requisition.id, now=now)
    security_log.record(
        session,
        event="payment.voided" if is_cash_on_the_way else "payment.cancelled",
        outcome="ok",
        detail={"payment_id": str(payment.id)},
        actor=uow.actor,
    )
    return payment


def check_cancelling(uow: Uow, payment: Payment) -> None:
    """Refuse who may not give a payment up as it stands.

    Raises:
        as `cancel`.
    """
    if _is_cash_on_the_way(payment):
        if uow.actor.user_id not in facts.custodians(uow.session, payment):
            raise releases.NotSeparate("Only the custodian of its fund may void cash.")
        return
    if not uow.actor.has(Role.TREASURY):
        raise releases.NotSeparate("Only treasury may cancel payments.")
    if payment.status is PaymentStatus.FAILED and not payment.failure_confirmed:
        raise rules.FailureUnconfirmed
    if payment.blocked_by_case_id is not None:
        raise rules.BlockedByCase
    payment.check_step(PaymentStatus.CANCELLED)


def _is_cash_on_the_way(payment: Payment) -> bool:
    return payment.method is Method.CASH and payment.status is PaymentStatus.EXECUTING


def void_release(
    session: Session,
    *,
    payment: Payment,
    requisition: Requisition,
    cause: EndCause,
    now: datetime,
) -> None:
    """End the claim on a payment and void its codes."""
    payment.executor_id = None
    subject = facts.subject_of(session, payment=payment, requisition=requisition)
    releases.void(session, subject=subject, cause=cause, now=now)
