"""The inbox of what rails report: stored first, answered 200, processed through the outbox.

Arrival order means nothing: what a callback proves is weighed against the state that the attempt
has when it is processed (`payments.evidence`).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import null, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.gateways import base, registry
from pettycash.gateways.base import OutcomeKind
from pettycash.models.base import new_id
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import LIVE, AttemptState, Callback, CallbackPurpose, PaymentAttempt
from pettycash.runtime import db, errors, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.sanitising import cut_secrets
from pettycash.services.foundation import outbox, security_log
from pettycash.services.foundation.log_events import log_event
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.payments import (
    callback_addresses,
    callback_sources,
    credential_refusals,
    facts,
    instructions,
    restored,
    results,
    settlement,
)
from pettycash.services.payments.results import RailReport, ReportEffect, Source

TOPIC = "callbacks.process"

PATIENCE = text("SELECT set_config('lock_timeout', '150ms', true)")
RECEIVING_ATTEMPTS = 3
"""How long receiving waits for a lock, and how often it is tried: less than a second in all."""

MOST = Decimal("9999999999999999.99")
"""The largest amount that the column of a reported amount holds; a rail may say anything."""

EARLY_RETRY_SECONDS = 2.0
"""A callback that overtakes the answer to our sending is looked at again after this."""

NEED_THE_QUESTION = frozenset({OutcomeKind.REJECTED, OutcomeKind.NOT_KNOWN})
"""Outcomes that prove something only as the answer to a known question."""

SOURCES: dict[CallbackPurpose, Source] = {
    CallbackPurpose.RESULT: Source.CALLBACK,
    CallbackPurpose.TIMEOUT: Source.NOTICE,
    CallbackPurpose.QUERY_RESULT: Source.QUERY_CALLBACK,
    CallbackPurpose.QUERY_TIMEOUT: Source.QUERY_CALLBACK,
}


class NoSuchCallback(errors.NotFound):
    """There is nothing at this address."""

    code = "request.not_found"


class InboxBusy(errors.Unavailable):
    """The report was not stored, since its table is locked; deliver it again."""

    code = "callback.not_stored"


class CallbackNotFound(errors.NotFound):
    """There is no such stored callback in this company."""

    code = "callback.not_found"


@dataclass(frozen=True, kw_only=True)
class Address:
    """The attempt whose callback address was called."""

    attempt_id: UUID
    company_id: UUID
    purpose: CallbackPurpose
    request_id: str | None = None
    """Of the request that released the attempt."""
    foreign_to: UUID | None = None
    """The account, if it is not called from where the caller is: then nothing is stored."""
    lost_from: UUID | None = None
    """The account of an attempt that is not here any more: a restore has lost it."""


def locate(autocommit: Session, *, slug: str, secret: str, remote_address: str | None) -> Address:
    """Locate an address (`db.system_autocommit`). The secret is compared before any look-up.

    Raises:
        NoSuchCallback: a wrong secret, or no such attempt. They look alike from outside.
    """
    about = callback_addresses.read(slug, secret)
    if about is None:
        raise NoSuchCallback
    query = select(
        ProviderAccount.company_id,
        ProviderAccount.id,
        ProviderAccount.method,
        ProviderAccount.environment,
        ProviderAccount.options,
    )
    found = autocommit.execute(
        query.add_columns(PaymentAttempt.request_id)
        .join(PaymentAttempt, PaymentAttempt.provider_account_id == ProviderAccount.id)
        .where(PaymentAttempt.id == about.attempt_id),
        execution_options=db.PREPARED,
    ).one_or_none()
    is_lost = found is None and about.account_id is not None
    if is_lost:
        found = autocommit.execute(
            query.add_columns(null().label("request_id")).where(
                ProviderAccount.id == about.account_id
            )
        ).one_or_none()
    if found is None:
        raise NoSuchCallback
    is_expected = callback_sources.is_expected(
        remote_address, method=found.method, environment=found.environment, options=found.options
    )
    return Address(
        attempt_id=about.attempt_id,
        company_id=found.company_id,
        purpose=about.purpose,
        request_id=found.request_id,
        foreign_to=None if is_expected else found.id,
        lost_from=about.account_id if is_lost else None,
    )


def receive(
    session: Session,
    *,
    address: Address,
    body: bytes,
    content_type: str | None,
    remote_address: str | None,
) -> UUID:
    """Store what was sent, named secrets cut out, and enqueue its processing; a repeat is counted.

    Whatever the bytes are: what can't be read is kept too, since a person may have to. It waits for
    nobody long, as the rail does not either; a repeat whose row is locked is not counted at all.
    """
    session.execute(PATIENCE, execution_options=db.PREPARED)
    is_lost = address.lost_from is not None
    row = {
        "lost_attempt_id" if is_lost else "attempt_id": address.attempt_id,
        "purpose": address.purpose,
        "dedup_key": hashlib.sha256(body).digest(),
    }
    callback_id: UUID | None = session.execute(
        insert(Callback)
        .values(
            id=new_id(),
            company_id=address.company_id,
            provider_account_id=address.lost_from,
            **row,
            body=cut_secrets(body),
            content_type=(content_type or "")[:200] or None,
            remote_address=remote_address,
            deliveries=1,
        )
        .on_conflict_do_nothing()
        .returning(Callback.id),
        execution_options=db.PREPARED,
    ).scalar_one_or_none()
    is_repeat = callback_id is None
    if callback_id is not None:
        outbox.enqueue(session, topic=TOPIC, key=callback_id)
    else:
        query = select(Callback.id).filter_by(**row)
        callback_id = session.execute(query).scalar_one()
        free = query.with_for_update(key_share=True, skip_locked=True).scalar_subquery()
        session.execute(
            update(Callback)
            .where(Callback.id == free)
            .values(deliveries=Callback.deliveries + 1)
            .execution_options(synchronize_session=False)
        )
    log_event(
        session,
        "callback.repeated" if is_repeat else "callback.stored",
        callback_id=callback_id,
        attempt_id=address.attempt_id,
        purpose=address.purpose.value,
    )
    crash_point("callbacks.received")
    return callback_id


def process(session: Session, *, callback_id: UUID, now: datetime) -> ReportEffect | None:
    """Do what a stored callback proves; None where it is too early to tell."""
    seen = session.get(Callback, callback_id)
    if seen is not None and seen.lost_attempt_id is not None:
        return _process_lost(session, callback_id=callback_id, now=now)
    attempt_id = seen.attempt_id if seen is not None else None
    locked = facts.lock_attempt(session, attempt_id=attempt_id) if attempt_id is not None else None
    callback = db.lock(session, Callback, callback_id)
    if locked is None or callback is None or callback.processed_at is not None:
        outbox.complete(session, topic=TOPIC, key=callback_id)
        return None
    attempt = locked.attempt
    instruction = instructions.of(session, attempt)
    gateway = registry.for_rail(locked.payment.method)
    purpose = base.CallbackKind(callback.purpose.value)
    outcome = gateway.read_callback(purpose, bytes(callback.body), instruction)
    source = SOURCES[callback.purpose]
    report = RailReport(
        outcome=outcome,
        agreement=outcome.agreement(instruction, conversation_id=attempt.conversation_id),
        source=source,
        confirms_failure_by_query=gateway.confirms_failure_by_query,
        callback_id=callback.id,
        asked_at=results.asked_at(attempt, outcome, source),
    )
    if _is_early(attempt, callback, report, now=now):
        due_at = now + timedelta(seconds=EARLY_RETRY_SECONDS)
        outbox.reschedule(session, topic=TOPIC, key=callback_id, due_at=due_at)
        return None
    if _speaks_of_credentials(attempt, report):
        # Before the books, whose locks come last.
        credential_refusals.weigh_report(
            session, account_id=instruction.account.id, outcome=report.outcome
        )
    verdict = results.apply(session, locked=locked, report=report, now=now)
    _weighed(session, callback, verdict, now=now)
    return verdict


def _weighed(session: Session, callback: Callback, verdict: ReportEffect, *, now: datetime) -> None:
    callback.processed_at = now
    callback.verdict = verdict.value
    outbox.complete(session, topic=TOPIC, key=callback.id)
    log_event(
        session,
        "callback.weighed",
        callback_id=callback.id,
        attempt_id=callback.attempt_id,
        verdict=verdict.value,
    )
    crash_point("callbacks.weighed")


def _process_lost(session: Session, *, callback_id: UUID, now: datetime) -> ReportEffect | None:
    """Ask about the attempt that has the lost one's reference by now, or else open a case.

    Until that case ends, the same amount is not paid to the same payee under another reference.
    """
    seen = session.get_one(Callback, callback_id)  # what it says and where it came never change
    account = db.get_cached(session, ProviderAccount, seen.provider_account_id)
    gateway = registry.for_rail(account.method)
    outcome = gateway.read_callback(
        base.CallbackKind(seen.purpose.value),
        bytes(seen.body),
        instructions.of_nothing(session, account.id),
    )
    attempt_id = session.execute(
        select(PaymentAttempt.id).where(
            PaymentAttempt.provider_account_id == account.id,
            PaymentAttempt.originator_reference == outcome.provider_originator_id,
        )
    ).scalar_one_or_none()
    locked = facts.lock_attempt(session, attempt_id=attempt_id) if attempt_id is not None else None
    callback = db.lock(session, Callback, callback_id)
    assert callback is not None, "callbacks are never deleted"
    if callback.processed_at is not None:
        outbox.complete(session, topic=TOPIC, key=callback_id)
        return None
    callback.told_reference = outcome.provider_originator_id
    if locked is not None:
        # Whatever the rail has said of that reference before: it knows it.
        if locked.attempt.first_sent_at is None:
            locked.attempt.not_known_at = None
            locked.attempt.asked_ahead = 0
        settlement.ask_at_once(session, locked=locked, now=now)
        _weighed(session, callback, ReportEffect.ASKED, now=now)
        return ReportEffect.ASKED
    callback.told_receipt = outcome.provider_reference
    if outcome.kind is not OutcomeKind.REJECTED and outcome.amount is not None:
        callback.told_destination = outcome.destination or restored.NOBODY
        callback.told_amount = min(outcome.amount, MOST)
    cases.open_case(
        session,
        kind=CaseKind.UNMATCHED_CALLBACK,
        object_type=restored.CALLBACK,
        object_id=callback.id,
        summary="A rail reports about a payment that this database has lost.",
        evidence={
            "outcome": outcome.kind.value,
            "code": outcome.code,
            "message": outcome.message,
            "provider_account_id": str(account.id),
            "originator_reference": outcome.provider_originator_id,
            "provider_reference": outcome.provider_reference,
            "amount_said": None if outcome.amount is None else str(outcome.amount),
        },
        severity=Severity.WARNING if callback.told_amount is None else Severity.SEVERE,
    )
    _weighed(session, callback, ReportEffect.CASE, now=now)
    return ReportEffect.CASE


def replay(uow: Uow, *, callback_id: UUID) -> Callback:
    """Have a stored callback processed again; what it proved before, it proves once.

    Raises:
        CallbackNotFound: none such in this company.
    """
    callback = db.lock(uow.session, Callback, callback_id)
    if callback is None:
        raise CallbackNotFound
    callback.processed_at = None
    callback.verdict = None
    outbox.enqueue(uow.session, topic=TOPIC, key=callback.id)
    security_log.record(
        uow.session,
        event="callback.replayed",
        outcome="ok",
        detail={"callback_id": str(callback.id)},
        actor=uow.actor,
    )
    return callback


def _speaks_of_credentials(attempt: PaymentAttempt, report: RailReport) -> bool:
    """Whether it is news of an order or a question of ours, and not one more copy of it."""
    if report.source is Source.QUERY_CALLBACK:
        return report.is_rails_own
    return attempt.state in LIVE and report.agreement.names_reference


def _is_early(
    attempt: PaymentAttempt, callback: Callback, report: RailReport, *, now: datetime
) -> bool:
    """Whether a callback came before the answer that names the ids to match it by."""
    if callback.created_at <= now - timedelta(seconds=settings.current().claim_lease_seconds):
        return False
    if report.source is Source.QUERY_CALLBACK:
        kind, is_whole = report.outcome.kind, report.agreement.complete
        needs_it = kind in NEED_THE_QUESTION or (kind is OutcomeKind.SETTLED and not is_whole)
        return (
            (restored.must_ask(attempt) or needs_it)
            and attempt.last_query_at is not None
            and attempt.asked_reference is None
        )
    return (
        attempt.state is AttemptState.SENDING
        and attempt.conversation_id is None
        and "reference" in report.agreement.unproven
    )
