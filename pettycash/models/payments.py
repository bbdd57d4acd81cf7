"""Payments and their states (domain.md §6); releases.py and attempts.py say how they leave."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from pettycash import errors
from pettycash.models.base import (
    CurrencyCode,
    Money,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)
from pettycash.rails import Method


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


class Payment(Updated, Tenanted):
    """One movement of money for a requisition, out of one store. Never deleted.

    The sum of a requisition's payments that are not cancelled, reversed or provably failed stays
    within the approved amount (trigger).
    """

    __tablename__ = "payments"
    __table_args__ = (
        own_key(),
        within_company("requisition_id", "requisitions"),
        within_company("store_id", "stores"),
        within_company("provider_account_id", "provider_accounts"),
        within_company("client_id", "api_keys"),
        within_company("open_redirect_id", "changes"),
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
        Index("ix_payments_status", "company_id", "status", "id"),
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

    number: Mapped[str]
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
    executor_id: Mapped[UUID | None]
    """The person to release it: claimed by send_otp or assigned, until the challenge ends."""
    otp_required: Mapped[bool] = mapped_column(default=True)
    scheduled_for: Mapped[datetime | None]
    failure_confirmed: Mapped[bool] = mapped_column(default=True)
    """False while a failure is known from a callback alone: no new attempt, no new payment."""
    blocked_by_case_id: Mapped[UUID | None]
    """A contradiction that people must settle before any further attempt."""
    open_redirect_id: Mapped[UUID | None]
    """A proposed change of its destination: until that is decided no code is made or counts."""
    release_locked_at: Mapped[datetime | None]
    """Too many failed challenges: a second person unlocks."""
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
    version: Mapped[int] = mapped_column(default=1)

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
