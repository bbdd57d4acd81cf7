"""Replenishments and variances (domain.md §5, §8)."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, Index, Numeric, UniqueConstraint, func
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


class ReplenishmentStatus(StrEnum):
    """Life of a replenishment; `completed` is an alias of received on the wire."""

    PENDING = "pending"
    APPROVED = "approved"
    FUNDED = "funded"
    RECEIVED = "received"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


P = ReplenishmentStatus
REPLENISHMENT_TRANSITIONS: Mapping[ReplenishmentStatus, frozenset[ReplenishmentStatus]] = {
    P.PENDING: frozenset({P.APPROVED, P.REJECTED, P.CANCELLED}),
    P.APPROVED: frozenset({P.FUNDED, P.CANCELLED}),
    P.FUNDED: frozenset({P.RECEIVED}),
    P.RECEIVED: frozenset(),
    P.REJECTED: frozenset(),
    P.CANCELLED: frozenset(),
}


class IllegalReplenishmentState(errors.Conflict):
    """The replenishment's status does not allow this."""

    code = "replenishment.illegal_state"


class Replenishment(Updated, Tenanted):
    """A request to fill a fund up to its float. One open per fund."""

    __tablename__ = "replenishments"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "number"),
        within_company("fund_id", "funds"),
        within_company("store_id", "stores"),
        member("requested_by"),
        member("approved_by"),
        member("rejected_by"),
        member("cancelled_by"),
        member("executor_id"),
        member("funded_by"),
        member("received_by"),
        Index(
            "uq_replenishments_open",
            "fund_id",
            unique=True,
            postgresql_where="status IN ('pending', 'approved', 'funded')",
        ),
        Index(
            "uq_replenishments_bank_reference",
            "company_id",
            "bank_reference",
            unique=True,
            postgresql_where="bank_reference IS NOT NULL",
        ),
        CheckConstraint("requested_amount > 0", name="requested_amount"),
        CheckConstraint(
            "received_amount IS NULL OR received_amount + lost_amount <= approved_amount",
            name="received_amount",
        ),
        CheckConstraint(
            "approved_by IS NULL OR requested_by IS NULL OR approved_by <> requested_by",
            name="approver",
        ),
        CheckConstraint("funded_by IS NULL OR funded_by <> approved_by", name="funder"),
        CheckConstraint(
            "funded_by IS NULL OR requested_by IS NULL OR funded_by <> requested_by",
            name="funder_requester",
        ),
        CheckConstraint("received_by IS NULL OR received_by <> funded_by", name="receiver"),
        CheckConstraint("auto_triggered = (requested_by IS NULL)", name="requester"),
        Index("ix_replenishments_fund", "company_id", "fund_id", "id"),
    )

    number: Mapped[str]
    fund_id: Mapped[UUID]
    store_id: Mapped[UUID]
    """Where the money goes."""
    currency: Mapped[CurrencyCode]
    status: Mapped[ReplenishmentStatus] = mapped_column(choice(ReplenishmentStatus, "status"))
    status_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    auto_triggered: Mapped[bool]
    requested_by: Mapped[UUID | None]
    """Null: raised by the system."""
    reason: Mapped[str | None]
    current_balance: Mapped[Money]
    """The fund's balance when it was raised."""
    available: Mapped[Money]
    requested_amount: Mapped[Money]
    """target - (available + incoming + advances outstanding); recomputed at approval."""
    identity: Mapped[dict[str, Any]]
    """The imprest identity as it stood, term by term."""
    approved_amount: Mapped[Money | None]
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    rejected_by: Mapped[UUID | None]
    rejected_at: Mapped[datetime | None]
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]
    executor_id: Mapped[UUID | None]
    funded_by: Mapped[UUID | None]
    funded_at: Mapped[datetime | None]
    bank_reference: Mapped[str | None]
    """Evidence of the transfer."""
    received_by: Mapped[UUID | None]
    received_at: Mapped[datetime | None]
    received_amount: Mapped[Money | None]
    """All of its deliveries so far."""
    lost_amount: Mapped[Money] = mapped_column(server_default="0")
    """Of a short delivery, what two people agreed will not come."""
    release_locked_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    def check_step(self, status: ReplenishmentStatus) -> None:
        """Refuse a step that REPLENISHMENT_TRANSITIONS does not have.

        Raises:
            IllegalReplenishmentState: no such step.
        """
        if status not in REPLENISHMENT_TRANSITIONS[self.status]:
            raise IllegalReplenishmentState(
                f"A replenishment that is {self.status} can't become {status}."
            )

    def move_to(self, status: ReplenishmentStatus, *, at: datetime) -> None:
        """Step along REPLENISHMENT_TRANSITIONS. Nothing else assigns `status`.

        Raises:
            IllegalReplenishmentState: no such step.
        """
        self.check_step(status)
        self.status = status
        self.status_changed_at = at
        self.version += 1


class VarianceStatus(StrEnum):
    """Life of a variance."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class VarianceKind(StrEnum):
    """Why books and world differ; decides the counter account."""

    FEE = "fee"  # an extra outflow, an entry of its own
    OVERPAID = "overpaid"
    UNDERPAID = "underpaid"
    COUNT = "count"
    OTHER = "other"


class VarianceAdjustment(Updated, Tenanted):
    """A mismatch that the CFO approves, which posts. Initiator and approver are two people."""

    __tablename__ = "variance_adjustments"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "number"),
        within_company("payment_id", "payments"),
        within_company("store_id", "stores"),
        within_company("counter_account_id", "ledger_accounts"),
        within_company("case_id", "cases"),
        member("initiated_by"),
        member("decided_by"),
        CheckConstraint("decided_by IS NULL OR decided_by <> initiated_by", name="two_people"),
        CheckConstraint("status = 'pending' OR decided_by IS NOT NULL", name="decided"),
        CheckConstraint("original_amount >= 0 AND adjusted_amount >= 0", name="amounts"),
        CheckConstraint("original_amount <> adjusted_amount", name="difference"),
        CheckConstraint("payment_id IS NOT NULL OR store_id IS NOT NULL", name="subject"),
        Index("ix_variance_adjustments_status", "company_id", "status", "id"),
    )

    number: Mapped[str]
    kind: Mapped[VarianceKind] = mapped_column(choice(VarianceKind, "kind"))
    payment_id: Mapped[UUID | None]
    store_id: Mapped[UUID]
    counter_account_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    currency: Mapped[CurrencyCode]
    original_amount: Mapped[Money]
    """Money out as the books have it."""
    adjusted_amount: Mapped[Money]
    """Money out as it really was."""
    variance_amount: Mapped[Money] = mapped_column(
        Numeric(18, 2), Computed("adjusted_amount - original_amount", persisted=True)
    )
    """Positive: more money left than the books say."""
    reason: Mapped[str]
    status: Mapped[VarianceStatus] = mapped_column(choice(VarianceStatus, "status"))
    initiated_by: Mapped[UUID]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]
    entry_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(default=1)
