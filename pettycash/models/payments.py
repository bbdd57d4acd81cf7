"""Payments, their attempts, and what rails said of them.

Payments and their states (domain.md §6); releases.py says how they leave.

Attempts, the gateway exchange log and the callback inbox (domain.md §6; reliability.md §1).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    REQUEST_ID,
    Base,
    CurrencyCode,
    Money,
    Numbered,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)
from pettycash.models.releases import Releasable
from pettycash.runtime import errors
from pettycash.runtime.rails import Method


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "pending"  # created; nothing released
    SCHEDULED = "scheduled"  # released for later; money held from N days before
    EXECUTING = "executing"  # money held; an attempt is queued or on the wire
    IN_DOUBT = "in_doubt"  # sent, outcome unknown: ask, never under a new reference
    SUCCESS = "success"  # the rail proved that money moved; the ledger has it
    FAILED = "failed"  # the rail proved that no money moved; the hold is gone
    CANCELLED = "cancelled"  # final: nothing was sent
    REVERSED = "reversed"  # final: the money came back, by a new entry of that day


S = PaymentStatus
TRANSITIONS: Mapping[PaymentStatus, frozenset[PaymentStatus]] = {
    S.PENDING: frozenset({S.SCHEDULED, S.EXECUTING, S.CANCELLED}),
    S.SCHEDULED: frozenset({S.EXECUTING, S.CANCELLED}),
    S.EXECUTING: frozenset({S.SUCCESS, S.FAILED, S.IN_DOUBT}),
    S.IN_DOUBT: frozenset({S.SUCCESS, S.FAILED}),  # no way back to EXECUTING
    S.SUCCESS: frozenset({S.REVERSED}),
    S.FAILED: frozenset({S.EXECUTING, S.CANCELLED, S.SUCCESS}),  # new attempt; or late proof
    S.CANCELLED: frozenset(),
    S.REVERSED: frozenset(),
}

NOTHING_SENT = frozenset({S.PENDING, S.SCHEDULED})
ON_THE_WAY = frozenset({S.EXECUTING, S.IN_DOUBT})

UNPAID = frozenset({S.FAILED, S.CANCELLED})
"""In whose place another payment may be made, unless the rail may have paid it all the same."""


class IllegalTransition(errors.Conflict):
    """The payment's status does not allow this."""

    code = "payment.illegal_state"


class Payment(Numbered, Updated, Releasable):
    """One movement of money for a requisition, out of one store. Never deleted.

    The sum of a requisition's payments that are not cancelled, reversed or provably failed stays
    within the approved amount (trigger).
    """

    __tablename__ = "payments"
    prefix = "PAY"
    __table_args__ = (
        own_key(),
        within_company("requisition_id", "requisitions"),
        within_company("store_id", "stores"),
        within_company("provider_account_id", "provider_accounts"),
        within_company("client_id", "api_keys"),
        within_company("open_redirect_id", "changes"),
        within_company("standing_validation_id", "standing_validations"),
        member("maker_id"),
        member("executor_id"),
        member("payee_user_id"),
        UniqueConstraint("requisition_id", "ordinal"),
        UniqueConstraint("company_id", "number"),
        Index(
            "uq_payments_external_reference",
            "company_id",
            "client_id",
            "external_reference",
            unique=True,
            postgresql_where="external_reference IS NOT NULL AND status <> 'cancelled'",
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "uq_payments_return_reference",
            "provider_account_id",
            "return_reference",
            unique=True,
            postgresql_where="return_reference IS NOT NULL",
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("ordinal >= 1", name="ordinal"),
        CheckConstraint("retry_count >= 0 AND max_retries >= 0", name="retries"),
        CheckConstraint(
            "(status IN ('success', 'reversed')) = (paid_at IS NOT NULL)", name="paid_at"
        ),
        CheckConstraint("standing_validation_id IS NULL OR maker_id IS NULL", name="standing"),
        Index("ix_payments_status", "company_id", "status", "id"),
        Index(
            "ix_payments_standing",
            "company_id",
            "id",
            postgresql_where="standing_validation_id IS NOT NULL",
        ),
        Index("ix_payments_store", "company_id", "store_id", "id"),
        Index("ix_payments_paid", "company_id", "paid_at"),
        Index("ix_payments_updated", "updated_at", postgresql_using="brin"),
        Index(
            "ix_payments_open_redirect",
            "open_redirect_id",
            postgresql_where="open_redirect_id IS NOT NULL",
        ),
        Index(
            "ix_payments_named",
            "company_id",
            "destination",
            postgresql_where="payee_user_id IS NOT NULL",
        ),
    )

    requisition_id: Mapped[UUID]
    ordinal: Mapped[int]
    store_id: Mapped[UUID]
    provider_account_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    external_reference: Mapped[str | None]
    client_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    amount: Mapped[Money]
    currency: Mapped[CurrencyCode]
    method: Mapped[Method] = mapped_column(choice(Method, "method"))
    payee_name: Mapped[str]
    payee_user_id: Mapped[UUID | None]
    destination: Mapped[str]
    """Normalised per method."""
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 over id, minor units, currency, payee, destination, store: what a code releases."""
    status: Mapped[PaymentStatus] = mapped_column(choice(PaymentStatus, "status"))
    status_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    maker_id: Mapped[UUID | None]
    """The person who changed, split or redirected it; null where validation left it unchanged."""
    standing_validation_id: Mapped[UUID | None]
    """Under which it goes out, where no person validated it; whoever changes it takes it over."""
    otp_required: Mapped[bool] = mapped_column(default=True)
    scheduled_for: Mapped[datetime | None]
    failure_confirmed: Mapped[bool] = mapped_column(default=True)
    """False while a failure is known from a callback alone: no new attempt, no new payment."""
    blocked_by_case_id: Mapped[UUID | None]
    """A contradiction that people must settle before any further attempt."""
    open_redirect_id: Mapped[UUID | None]
    """A proposed change of its destination: until that is decided no code is made or counts."""
    retry_count: Mapped[int] = mapped_column(default=0)
    max_retries: Mapped[int] = mapped_column(default=3)
    last_error: Mapped[str | None]
    originator_reference: Mapped[str | None]
    """Of the newest attempt."""
    provider_reference: Mapped[str | None]
    gateway_status: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    paid_amount: Mapped[Money | None]
    """The amount that the rail proved; it differs from `amount` only with a case."""
    return_reference: Mapped[str | None]
    """The provider's reference of what came back."""

    def check_step(self, status: PaymentStatus) -> None:
        """Refuse a step that TRANSITIONS does not have.

        Raises:
            IllegalTransition: no such step.
        """
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"A payment that is {self.status} can't become {status}.")

    def move_to(self, status: PaymentStatus, *, at: datetime) -> None:
        """Step along TRANSITIONS. Nothing else assigns `status`.

        Raises:
            IllegalTransition: no such step.
        """
        self.check_step(status)
        self.status = status
        self.status_changed_at = at
        self.version += 1


class EvidenceSource(StrEnum):
    """The source of evidence for a payment."""

    CALLBACK = "callback"  # the rail told us, with secret, reference, amount and payee
    GATEWAY_QUERY = "gateway_query"  # the rail answered when asked
    STATEMENT = "statement"
    MANUAL = "manual"
    ACKNOWLEDGEMENT = "acknowledgement"


class PaymentReconciliation(Tenanted):
    """Append-only fact: this payment was matched with evidence."""

    __tablename__ = "payment_reconciliations"
    __table_args__ = (
        within_company("payment_id", "payments"),
        within_company("run_id", "reconciliation_runs"),
        member("reconciled_by"),
        UniqueConstraint("payment_id"),
    )

    payment_id: Mapped[UUID]
    run_id: Mapped[UUID | None]
    source: Mapped[EvidenceSource] = mapped_column(choice(EvidenceSource, "source"))
    reconciled_by: Mapped[UUID | None]
    """Null: automatic. A person is never the executor (trigger)."""
    evidence: Mapped[dict[str, Any]]


class AttemptState(StrEnum):
    """Where an attempt stands."""

    QUEUED = "queued"  # released; no worker has it
    CLAIMED = "claimed"  # a worker has it; no byte has left
    SENDING = "sending"  # committed just before the first byte
    ACCEPTED = "accepted"  # the rail took the instruction; money not yet proven
    UNKNOWN = "unknown"  # sent, and the answer is lost or means nothing
    SETTLED = "settled"  # final: money moved
    REJECTED = "rejected"  # final: no money moved


LIVE = frozenset(
    {
        AttemptState.QUEUED,
        AttemptState.CLAIMED,
        AttemptState.SENDING,
        AttemptState.ACCEPTED,
        AttemptState.UNKNOWN,
    }
)


class PaymentAttempt(Updated, Tenanted):
    """The mutable side of one execution: claim, state, what the rail said. One live per payment."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        own_key(),
        within_company("payment_id", "payments"),
        within_company("execution_id", "payment_executions"),
        within_company("provider_account_id", "provider_accounts"),
        UniqueConstraint("execution_id"),
        UniqueConstraint("payment_id", "number"),
        Index(
            "uq_payment_attempts_reference",
            "provider_account_id",
            "originator_reference",
            unique=True,
        ),
        Index(
            "uq_payment_attempts_live",
            "payment_id",
            unique=True,
            postgresql_where="state NOT IN ('settled', 'rejected')",
        ),
        Index(
            "uq_payment_attempts_provider_reference",
            "provider_account_id",
            "provider_reference",
            unique=True,
            postgresql_where="provider_reference IS NOT NULL",
        ),
        CheckConstraint("tries >= 0", name="tries"),
        Index("ix_payment_attempts_payment", "payment_id", "number"),
    )

    payment_id: Mapped[UUID]
    execution_id: Mapped[UUID]
    number: Mapped[int]
    provider_account_id: Mapped[UUID | None]
    """Null for cash."""
    base_url: Mapped[str | None]
    """Where it is sent; a later change of the account does not move it."""
    originator_reference: Mapped[str]
    amount: Mapped[Money]
    currency: Mapped[CurrencyCode]
    destination: Mapped[str]
    payee_name: Mapped[str]
    remarks: Mapped[str]
    state: Mapped[AttemptState] = mapped_column(choice(AttemptState, "state"))
    state_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claim: Mapped[UUID | None]
    """Fencing token: every later write names it."""
    claimed_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    first_sent_at: Mapped[datetime | None]
    last_sent_at: Mapped[datetime | None]
    ever_unknown: Mapped[bool] = mapped_column(default=False)
    """Once an answer was lost, a refusal of a repeat proves nothing about the first send."""
    failure_confirmed_at: Mapped[datetime | None]
    called_unpaid_at: Mapped[datetime | None]
    """When two people said that it was not paid, which the rail has not: it is asked on."""
    conversation_id: Mapped[str | None]
    provider_originator_id: Mapped[str | None]
    provider_reference: Mapped[str | None]
    outcome_code: Mapped[str | None]
    outcome_message: Mapped[str | None]
    settled_amount: Mapped[Money | None]
    fee: Mapped[Money | None]
    fee_evidence: Mapped[str | None]
    decide_by: Mapped[datetime]
    queries: Mapped[int] = mapped_column(default=0)
    last_query_at: Mapped[datetime | None]
    next_query_at: Mapped[datetime | None]
    asked_reference: Mapped[str | None]
    """The rail's id of our newest question, where it answers by callback."""
    asks_first: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Its requisition was restored from a backup: the rail may have had this reference already, so
    it is asked before the first byte, and a refusal of ours proves nothing about what it had."""
    request_id: Mapped[str | None] = mapped_column(server_default=REQUEST_ID)
    """Of the request that released it: what rails report of it is logged under that, too."""
    asked_ahead: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    """How many references the rail has said to know nothing of: this one first, then those that the
    lost time may have given out after it."""
    not_known_at: Mapped[datetime | None]
    """When the rail had said so of all of them."""


class GatewayExchangeType(StrEnum):
    """The purpose of a gateway exchange."""

    INITIATE = "INITIATE"
    QUERY = "QUERY"
    CONFIRM = "CONFIRM"
    CANCEL = "CANCEL"
    REFUND = "REFUND"


class PaymentTransaction(Base):
    """The gateway exchange log: append-only, partitioned, sanitised before it gets here."""

    __tablename__ = "payment_transactions"
    __table_args__ = (
        within_company("payment_id", "payments"),
        within_company("attempt_id", "payment_attempts"),
        Index("ix_payment_transactions_payment", "payment_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=func.new_key())
    """By the database's clock: it decides in which month's partition the row lies."""
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    payment_id: Mapped[UUID]
    attempt_id: Mapped[UUID]
    gateway: Mapped[str]
    request_type: Mapped[GatewayExchangeType] = mapped_column(
        choice(GatewayExchangeType, "request_type")
    )
    request: Mapped[dict[str, Any]]
    response: Mapped[dict[str, Any]]
    http_status: Mapped[int | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
    status: Mapped[str]
    """The outcome kind as the adapter read it."""
    success: Mapped[bool]
    processing_time_ms: Mapped[int | None]
    request_id: Mapped[str | None] = mapped_column(server_default=REQUEST_ID)


class CallbackPurpose(StrEnum):
    """The purpose of a callback URL; the last digit of its slug."""

    RESULT = "result"
    TIMEOUT = "timeout"
    QUERY_RESULT = "query_result"
    QUERY_TIMEOUT = "query_timeout"


class Callback(Tenanted):
    """The inbox: what arrived with the right secret, kept as it came, named secrets cut out."""

    __tablename__ = "callbacks"
    __table_args__ = (
        within_company("attempt_id", "payment_attempts"),
        within_company("provider_account_id", "provider_accounts"),
        UniqueConstraint("attempt_id", "purpose", "dedup_key"),
        CheckConstraint("(attempt_id IS NULL) = (lost_attempt_id IS NOT NULL)", name="lost"),
        Index(
            "uq_callbacks_lost",
            "lost_attempt_id",
            "purpose",
            "dedup_key",
            unique=True,
            postgresql_where="lost_attempt_id IS NOT NULL",
        ),
        Index(
            "ix_callbacks_told",
            "company_id",
            "told_destination",
            "told_amount",
            postgresql_where="told_destination IS NOT NULL",
        ),
        Index("ix_callbacks_company", "company_id", "id"),
    )

    attempt_id: Mapped[UUID | None]
    lost_attempt_id: Mapped[UUID | None]
    """The attempt that its address was made for, where a restore has lost it."""
    provider_account_id: Mapped[UUID | None]
    """Of a lost attempt: the account that it was sent from, as its address says."""
    told_reference: Mapped[str | None]
    told_receipt: Mapped[str | None]
    told_destination: Mapped[str | None]
    told_amount: Mapped[Money | None]
    """Of a lost attempt: what the rail says of money that moved; such a payment is not released
    until people have looked into it."""
    purpose: Mapped[CallbackPurpose] = mapped_column(choice(CallbackPurpose, "purpose"))
    dedup_key: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the raw bytes."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    content_type: Mapped[str | None]
    remote_address: Mapped[str | None]
    deliveries: Mapped[int] = mapped_column(default=1)
    processed_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    """The effect of the report: settled, rejected, asked, ignored, case."""
