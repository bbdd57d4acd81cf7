"""Attempts, the gateway exchange log and the callback inbox (domain.md §6; reliability.md §1)."""

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
    Tenanted,
    Updated,
    choice,
    own_key,
    within_company,
)


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
