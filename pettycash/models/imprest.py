"""Funds with a fixed float, and what keeps it whole.

Funds and the stores their money lies in; provider accounts (domain.md §5, §6).

Replenishments and variances (domain.md §5, §8).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Base,
    CurrencyCode,
    Decidable,
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


class Fund(Updated, Tenanted):
    """An authority to hold money: an imprest float. One active fund per place and currency."""

    __tablename__ = "funds"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        within_company("region_id", "regions"),
        within_company("branch_id", "branches"),
        within_company("department_id", "departments"),
        member("custodian_id"),
        member("alternate_custodian_id"),
        Index(
            "uq_funds_place",
            "company_id",
            "region_id",
            "branch_id",
            "department_id",
            "currency",
            unique=True,
            postgresql_where="is_active",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("target_balance > 0", name="target_balance"),
        CheckConstraint(
            "reorder_level >= 0 AND reorder_level < target_balance", name="reorder_level"
        ),
        CheckConstraint("minimum_balance >= 0", name="minimum_balance"),
        CheckConstraint(
            "maximum_balance IS NULL OR maximum_balance >= target_balance", name="maximum_balance"
        ),
        CheckConstraint("cash_limit IS NULL OR cash_limit > 0", name="cash_limit"),
        CheckConstraint(
            "alternate_custodian_id IS NULL OR alternate_custodian_id <> custodian_id",
            name="alternate",
        ),
    )

    code: Mapped[str]
    name: Mapped[str]
    currency: Mapped[CurrencyCode]
    region_id: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    custodian_id: Mapped[UUID | None]
    alternate_custodian_id: Mapped[UUID | None]
    target_balance: Mapped[Money]
    """The float."""
    reorder_level: Mapped[Money]
    minimum_balance: Mapped[Money]
    """Floor of each store, where holds stop."""
    maximum_balance: Mapped[Money | None]
    """Of its drawers."""
    cash_limit: Mapped[Money | None]
    """Of all cash of a requisition; of what is not validated, also to one payee in a day."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class StandingValidation(Tenanted):
    """Append-only: what goes out of a fund's drawers unvalidated, from a version on until the next.

    Two people agree to a version, one of them the cfo (trigger); without categories it is the end.
    """

    __tablename__ = "standing_validations"
    __table_args__ = (
        own_key(),
        within_company("fund_id", "funds"),
        within_company("change_id", "changes"),
        UniqueConstraint("fund_id", "version"),
        UniqueConstraint("change_id"),
        CheckConstraint("jsonb_typeof(categories) = 'array'", name="categories"),
        CheckConstraint("version >= 1", name="version"),
    )

    fund_id: Mapped[UUID]
    version: Mapped[int]
    categories: Mapped[list[str]]
    """Every line of a requisition is of one of them."""
    valid_until: Mapped[datetime | None]
    change_id: Mapped[UUID]


class StoreKind(StrEnum):
    """Where money lies."""

    DRAWER = "drawer"
    PROVIDER_SHARE = "provider_share"


class Store(Updated, Tenanted):
    """A cash drawer, or a share of one provider account. One ledger account each."""

    __tablename__ = "stores"
    __table_args__ = (
        own_key(),
        within_company("fund_id", "funds"),
        within_company("account_id", "ledger_accounts"),
        within_company("provider_account_id", "provider_accounts"),
        UniqueConstraint("company_id", "code"),
        UniqueConstraint("account_id"),
        CheckConstraint(
            "(kind = 'drawer') = (provider_account_id IS NULL)", name="provider_account"
        ),
        Index("ix_stores_fund", "company_id", "fund_id"),
    )

    fund_id: Mapped[UUID]
    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[StoreKind] = mapped_column(choice(StoreKind, "kind"))
    account_id: Mapped[UUID]
    provider_account_id: Mapped[UUID | None]
    currency: Mapped[CurrencyCode]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class ProviderAccount(Updated, Tenanted):
    """A company's account with a rail. Credentials are encrypted and never read back by the API."""

    __tablename__ = "provider_accounts"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        UniqueConstraint("company_id", "method", "shortcode"),
        member("created_by"),
        member("credentials_set_by"),
        CheckConstraint("amount_min IS NULL OR amount_min > 0", name="amount_min"),
        CheckConstraint("amount_max IS NULL OR amount_max >= amount_min", name="amount_max"),
    )

    code: Mapped[str]
    name: Mapped[str]
    method: Mapped[Method] = mapped_column(choice(Method, "method"))
    currency: Mapped[CurrencyCode]
    environment: Mapped[str]
    base_url: Mapped[str]
    shortcode: Mapped[str]
    credentials: Mapped[str]
    """MultiFernet token over JSON that begins with this account's id, so it can't be moved."""
    credentials_key_id: Mapped[str]
    """Fingerprint of the key that encrypted it; `rotate` proves that no old one is left."""
    credentials_set_at: Mapped[datetime | None]
    """Null: by the command line."""
    credentials_set_by: Mapped[UUID | None]
    options: Mapped[dict[str, Any]]
    """Facts of the rail that are configuration: limits of remarks, code overrides, addresses."""
    amount_min: Mapped[Money | None]
    amount_max: Mapped[Money | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    """False: the kill switch."""
    refused_in_row: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the rail has refused its credentials at the door since it last took them."""
    reported_refused_in_row: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often it has reported, of what it had taken, that it refuses who ordered it."""
    created_by: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(default=1)


class RailSlot(Base):
    """The right to talk to the rail of one provider account; there are as many as calls at once.

    Made when they are first needed. A holder that died frees its slot when `held_until` has come.
    """

    __tablename__ = "rail_slots"
    __table_args__ = (
        within_company("provider_account_id", "provider_accounts"),
        CheckConstraint("number > 0", name="number"),
    )

    provider_account_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id", ondelete="RESTRICT"))
    holder: Mapped[UUID | None]
    """The claim of a sending, or the token of a question; null: free."""
    held_until: Mapped[datetime]


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


class Replenishment(Numbered, Decidable, Releasable):
    """A request to fill a fund up to its float. One open per fund."""

    __tablename__ = "replenishments"
    prefix = "REP"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "number"),
        within_company("fund_id", "funds"),
        within_company("store_id", "stores"),
        member("proposed_by"),
        member("decided_by"),
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
        CheckConstraint("funded_by IS NULL OR funded_by <> decided_by", name="funder"),
        CheckConstraint(
            "funded_by IS NULL OR proposed_by IS NULL OR funded_by <> proposed_by",
            name="funder_requester",
        ),
        CheckConstraint("received_by IS NULL OR received_by <> funded_by", name="receiver"),
        CheckConstraint("auto_triggered = (proposed_by IS NULL)", name="requester"),
        Index("ix_replenishments_fund", "company_id", "fund_id", "id"),
    )

    fund_id: Mapped[UUID]
    store_id: Mapped[UUID]
    """Where the money goes."""
    currency: Mapped[CurrencyCode]
    status: Mapped[ReplenishmentStatus] = mapped_column(choice(ReplenishmentStatus, "status"))
    status_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    auto_triggered: Mapped[bool]
    reason: Mapped[str | None]
    current_balance: Mapped[Money]
    """The fund's balance when it was raised."""
    available: Mapped[Money]
    requested_amount: Mapped[Money]
    """target - (available + incoming + advances outstanding); recomputed at approval."""
    identity: Mapped[dict[str, Any]]
    """The imprest identity as it stood, term by term."""
    approved_amount: Mapped[Money | None]
    """Of the approval; null where the decision was another one."""
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
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

    @property
    def approved_by(self) -> UUID | None:
        """The person who approved it."""
        return None if self.approved_amount is None else self.decided_by

    @property
    def approved_at(self) -> datetime | None:
        """When it was approved."""
        return None if self.approved_amount is None else self.decided_at

    @property
    def rejected_by(self) -> UUID | None:
        """The person who rejected it."""
        return self.decided_by if self.status is ReplenishmentStatus.REJECTED else None

    @property
    def rejected_at(self) -> datetime | None:
        """When it was rejected."""
        return self.decided_at if self.status is ReplenishmentStatus.REJECTED else None

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


class VarianceAdjustment(Numbered, Decidable):
    """A mismatch that the CFO approves, which posts. Initiator and approver are two people."""

    __tablename__ = "variance_adjustments"
    prefix = "VAR"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "number"),
        within_company("payment_id", "payments"),
        within_company("store_id", "stores"),
        within_company("counter_account_id", "ledger_accounts"),
        within_company("case_id", "cases"),
        member("proposed_by"),
        member("decided_by"),
        CheckConstraint("status = 'pending' OR decided_by IS NOT NULL", name="decided"),
        CheckConstraint("original_amount >= 0 AND adjusted_amount >= 0", name="amounts"),
        CheckConstraint("original_amount <> adjusted_amount", name="difference"),
        CheckConstraint("payment_id IS NOT NULL OR store_id IS NOT NULL", name="subject"),
        Index("ix_variance_adjustments_status", "company_id", "status", "id"),
    )

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
    proposed_by: Mapped[UUID] = mapped_column()
    entry_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(default=1)
