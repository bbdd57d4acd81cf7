"""Releasing a payment: all is checked again under lock, money is held, the sending enqueued."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.base import new_id
from pettycash.models.imprest import ProviderAccount, Store
from pettycash.models.operations import Restore
from pettycash.models.payments import (
    TRANSITIONS,
    AttemptState,
    IllegalTransition,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.models.releases import PaymentExecution
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.rails import Method
from pettycash.services import releases
from pettycash.services.foundation import (
    company_settings,
    hooks,
    outbox,
    rail_limits,
    security_log,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting
from pettycash.services.operations import pauses
from pettycash.services.payments import cash, facts, restored, rules, standing
from pettycash.services.payments.settlement import RESOLVE, SUBMIT
from pettycash.services.requisitions import approved_facts

CASH_COLLECTED_WITHIN = timedelta(days=7)
"""When uncollected cash is overdue. It is then voided by its custodian, never in doubt."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """The permission for one attempt: a spent grant, or the policy where no code is needed."""

    grant_id: UUID | None
    proof: str
    verified_at: datetime | None


def execute(uow: Uow, *, payment_id: UUID) -> tuple[Payment, PaymentExecution]:
    """Release a payment: hold its money, record who released it, enqueue its sending.

    Of any number of callers at once one releases it; the others find it executing.

    Raises:
        PaymentNotFound: none such within scope.
        IllegalTransition: it is executing, paid or over.
        RequisitionNotPayable: its requisition is not in payment.
        FailureUnconfirmed, BlockedByCase, RetriesExhausted: not a further attempt, or not yet.
        NotSeparate, TreasuryFirst, NotTheExecutor: the actor may not release it.
        ReleaseLocked: a second person unlocks first.
        RedirectOpen, RedirectNeeded: where it goes is not decided, or was never approved.
        CodeRequired, SubjectChanged, GrantExpired, GrantUsed: no code releases it as it stands.
        NotCovered: nobody validated it, and no standing validation of its fund covers it now.
        Paused: company, store or provider account is paused.
        BlockedByLostCallback, MayHaveBeenPaid: it may be paid already, in a time that a restore
            has lost.
        InsufficientFunds: the store has not enough that is free.
        and what `rules` refuses.
    """
    session, actor, now = uow.session, uow.actor, uow.now
    requisition, payment = facts.locked(session, payment_id=payment_id, actor=actor)
    checked = _check(uow, requisition, payment)
    subject, account, store = checked.subject, checked.account, checked.store
    payment.standing_validation_id = checked.standing_validation_id
    number, restored_until = _next_number(session, payment)
    reference = _reference(requisition, payment, number)
    asks_first = (
        restored_until is not None
        and account is not None
        and requisition.created_at <= restored_until
        and not restored.is_asked(session, payment)
    )
    if restored_until is not None:
        restored.check_not_told(session, payment=payment, number=number, asks_first=asks_first)
        restored.check_elsewhere(
            session,
            payment=payment,
            account_id=payment.provider_account_id,
            until=restored_until,
        )
    release = _release(uow, payment=payment, subject=subject)
    execution = PaymentExecution(
        id=new_id(),
        company_id=payment.company_id,
        payment_id=payment.id,
        requisition_id=requisition.id,
        attempt_number=number,
        originator_reference=reference,
        executor_id=actor.user_id,
        amount=payment.amount,
        currency=payment.currency,
        grant_id=release.grant_id,
        proof=release.proof,
        verified_at=release.verified_at,
        ip_address=actor.ip_address,
        user_agent=(actor.user_agent or "")[:500] or None,
    )
    session.add(execution)
    _insert(session)  # its triggers keep duties apart, and the attempt refers to it
    payment.executor_id = actor.user_id
    payment.originator_reference = reference
    payment.gateway_status = AttemptState.QUEUED.value
    payment.retry_count = number - 1
    payment.last_error = None
    payment.move_to(PaymentStatus.EXECUTING, at=now)
    attempt = _attempt(
        session,
        payment=payment,
        execution=execution,
        account=account,
        remarks=requisition.number,
        asks_first=asks_first,
        now=now,
    )
    crash_point("releases.recorded")
    if rules.is_overcommitted(session, requisition):
        raise rules.ExceedsApproved
    if payment.method is Method.CASH:
        cash.begin(session, payment=payment, execution_id=execution.id)
    else:
        wait = 0.0 if attempt.asks_first else settings.current().query_first_seconds
        first_look = now + timedelta(seconds=wait)
        outbox.enqueue_all(
            session,
            [
                outbox.NewMessage(topic=SUBMIT, key=attempt.id, lane=attempt.provider_account_id),
                outbox.NewMessage(
                    topic=RESOLVE,
                    key=attempt.id,
                    due_at=first_look,
                    lane=attempt.provider_account_id,
                ),
            ],
        )
    security_log.record(
        session,
        event="payment.released",
        outcome="ok",
        detail={
            "payment_id": str(payment.id),
            "attempt": number,
            "amount": str(payment.amount),
            "currency": payment.currency,
            "proof": release.proof,
        },
        actor=actor,
    )
    # Late, since whoever else releases from this store waits from here until the commit.
    crash_point("releases.holding")
    posting.hold(
        session,
        account_id=store.account_id,
        source=facts.hold_source(attempt.id),
        currency=payment.currency,
        amount=payment.amount,
        expected_fee=_expected_fee(payment),
    )
    crash_point("releases.held")
    hooks.on_released(session, payment, now)
    crash_point("releases.executed")
    return payment, execution


@dataclass(frozen=True, kw_only=True)
class Releasable:
    """A payment that may be released as it stands, by somebody who holds a grant."""

    subject: releases.ReleaseSubject
    account: ProviderAccount | None
    store: Store
    standing_validation_id: UUID | None
    """The one that covers it now: its newest version may be another than when it was approved."""


def check_execution(uow: Uow, requisition: Requisition, payment: Payment) -> Releasable:
    """Refuse who may not release a payment as it stands; the grant is `check_grant`'s.

    Raises:
        as `execute`, but for codes, a restore and the store's money.
    """
    checked = _check(uow, requisition, payment)
    rules.check_destination(
        uow.session,
        requisition=requisition,
        method=payment.method,
        destination=payment.destination,
        amount=payment.amount,
        payment_id=payment.id,
    )
    return checked


def _check(uow: Uow, requisition: Requisition, payment: Payment) -> Releasable:
    """All that `check_execution` refuses but for the destination, which `_insert` asks about."""
    session = uow.session
    check_state(requisition, payment)
    subject = facts.subject_of(session, payment=payment, requisition=requisition)
    releases.check_releaser(uow, subject=subject)
    if payment.release_locked_at is not None:
        raise releases.ReleaseLocked
    if payment.executor_id is not None and payment.executor_id != uow.actor.user_id:
        raise releases.NotTheExecutor
    pauses.check(
        session, store_id=payment.store_id, provider_account_id=payment.provider_account_id
    )
    account = (
        db.get_cached(session, ProviderAccount, payment.provider_account_id)
        if payment.provider_account_id is not None
        else None
    )
    store = rules.fitting_store(
        session, store_id=payment.store_id, requisition=requisition, method=payment.method
    )
    rules.check_amount(
        session,
        requisition_id=requisition.id,
        method=payment.method,
        store=store,
        amount=payment.amount,
        destination=payment.destination,
        payment_id=payment.id,
    )
    return Releasable(
        subject=subject,
        account=account,
        store=store,
        standing_validation_id=standing.check(session, payment, now=uow.now),
    )


def _insert(session: Session) -> None:
    """Write the release; the database looks where the money goes, and is asked just once.

    Raises:
        RedirectNeeded: nobody has approved that so much goes there.
        RedirectOpen: where it goes is not decided.
        AboveCashLimit, NotCovered: it was, a moment ago, still within the limit, and covered.
    """
    try:
        session.flush()
    except DBAPIError as error:
        match db.sqlstate(error):
            case "PC028":
                raise rules.redirect_needed() from error
            case "PC029":
                raise approved_facts.RedirectOpen from error
            case "PC030":
                raise rail_limits.AboveCashLimit from error
            case "PC031":
                raise standing.NotCovered from error
        raise


def check_grant(uow: Uow, *, payment: Payment, subject: releases.ReleaseSubject) -> None:
    """Refuse who has no code that releases a payment as it stands, where it needs one.

    Raises:
        what `releases.find_grant` refuses.
    """
    if _needs_grant(uow.session, payment):
        releases.find_grant(uow, subject=subject)


def _needs_grant(session: Session, payment: Payment) -> bool:
    """A policy that was tightened since the payment was made counts."""
    floor = company_settings.current(session).otp_floor(payment.currency)
    return payment.otp_required or payment.amount >= floor


def check_state(requisition: Requisition, payment: Payment) -> None:
    if PaymentStatus.EXECUTING not in TRANSITIONS[payment.status]:
        raise IllegalTransition(f"A payment that is {payment.status} can't be released.")
    if requisition.status is not RequisitionStatus.IN_PAYMENT:
        raise rules.RequisitionNotPayable(f"The requisition is {requisition.status}.")
    if payment.blocked_by_case_id is not None:
        raise rules.BlockedByCase
    if payment.open_redirect_id is not None:
        raise approved_facts.RedirectOpen
    if not payment.failure_confirmed:
        raise rules.FailureUnconfirmed
    if payment.status is PaymentStatus.FAILED and payment.retry_count >= payment.max_retries:
        raise rules.RetriesExhausted


def _release(uow: Uow, *, payment: Payment, subject: releases.ReleaseSubject) -> Release:
    """Spend the executor's grant."""
    if not _needs_grant(uow.session, payment):
        return Release(grant_id=None, proof="policy", verified_at=None)
    grant = releases.spend_grant(uow, subject=subject)
    return Release(grant_id=grant.id, proof=grant.proof, verified_at=grant.verified_at)


def _next_number(session: Session, payment: Payment) -> tuple[int, datetime | None]:
    """The attempt's number, and until when requisitions may come from a backup."""
    last, restored_until = session.execute(LAST_NUMBER, {"payment_id": payment.id}).one()
    return (last or 0) + 1, restored_until


LAST_NUMBER = (
    select(
        func.max(PaymentExecution.attempt_number),
        select(func.max(Restore.covers_until)).scalar_subquery(),
    )
    .where(PaymentExecution.payment_id == bindparam("payment_id"))
    .execution_options(**db.PREPARED)
)


def _expected_fee(payment: Payment) -> Decimal:
    """Held beside the amount where the rail takes its fee from the paying account.

    None of the rails that are served does: M-Pesa debits the charges account.
    """
    assert not payment.method.facts.fee_from_paying_account, "no tariff is known for this rail"
    return Decimal(0)


def _reference(requisition: Requisition, payment: Payment, number: int) -> str:
    derived = facts.derived_reference(
        requisition_id=requisition.id, ordinal=payment.ordinal, number=number
    )
    if payment.method is Method.CASH:
        digest = hashlib.sha256(derived.encode()).digest()
        return f"PC-{base64.b32encode(digest).decode()[:16]}"
    return registry.for_rail(payment.method).shape_reference(derived)


def _attempt(
    session: Session,
    *,
    payment: Payment,
    execution: PaymentExecution,
    account: ProviderAccount | None,
    remarks: str,
    asks_first: bool,
    now: datetime,
) -> PaymentAttempt:
    decide_by = now + CASH_COLLECTED_WITHIN
    if account is not None:
        decide_by = now + registry.for_rail(payment.method).decide_by
    attempt = PaymentAttempt(
        id=new_id(),
        company_id=payment.company_id,
        payment_id=payment.id,
        execution_id=execution.id,
        number=execution.attempt_number,
        provider_account_id=account.id if account else None,
        base_url=account.base_url if account else None,
        originator_reference=execution.originator_reference,
        amount=payment.amount,
        currency=payment.currency,
        destination=payment.destination,
        payee_name=payment.payee_name,
        remarks=remarks,
        state=AttemptState.QUEUED,
        state_changed_at=now,
        decide_by=decide_by,
        asks_first=asks_first,
    )
    session.add(attempt)
    # The reference is taken, or the release refused, now; and what follows counts what is written.
    session.flush()
    return attempt
