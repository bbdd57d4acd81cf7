"""Double entry: accounts, holds, journal entries, postings, periods (domain.md §5, §7).

Balances are debits minus credits for every account, so a store's money is a positive balance and
income a negative one. `balance`, `held`, `sequence` and `newest_entry_id` are written only by the
database functions `ledger_post`, `hold_place` and `hold_close`; the application role has no
privilege on them.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Base,
    CurrencyCode,
    Decidable,
    Money,
    Tenanted,
    choice,
    member,
    new_id,
    own_key,
    within_company,
)


class AccountKind(StrEnum):
    """The kind of an account (template of domain.md §7)."""

    STORE = "store"
    BANK = "bank"
    IN_TRANSIT = "in_transit"
    UNALLOCATED = "unallocated"
    PROVIDER_CHARGES = "provider_charges"
    ADVANCES = "advances"
    EXPENSE = "expense"
    FEES = "fees"
    INPUT_VAT = "input_vat"
    WHT_PAYABLE = "wht_payable"
    RECEIVABLE = "receivable"
    PAYABLE = "payable"
    WALLET = "wallet"
    DIFFERENCES_PENDING = "differences_pending"
    OVER_SHORT = "over_short"
    RECOVERABLE = "recoverable"
    FX_CLEARING = "fx_clearing"
    SUSPENSE = "suspense"
    EQUITY = "equity"


class LedgerAccount(Tenanted):
    """One account. `available = balance - held`; the floor is checked where a hold is placed."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code", "currency"),
        member("party_id"),
        within_company("fund_id", "funds"),
        within_company("provider_account_id", "provider_accounts"),
        CheckConstraint("held >= 0", name="held"),
        CheckConstraint("floor >= 0", name="floor"),
        Index(
            "uq_ledger_accounts_of",
            "company_id",
            "kind",
            "currency",
            "fund_id",
            "provider_account_id",
            "party_id",
            "category",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where="kind <> 'store'",
        ),
    )

    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[AccountKind] = mapped_column(choice(AccountKind, "kind"))
    currency: Mapped[CurrencyCode]
    fund_id: Mapped[UUID | None]
    provider_account_id: Mapped[UUID | None]
    party_id: Mapped[UUID | None]
    """The person of an advances account."""
    category: Mapped[str | None]
    """Of an expense account: what requisition lines name."""
    floor: Mapped[Money] = mapped_column(server_default="0")
    is_active: Mapped[bool] = mapped_column(server_default="true")
    balance: Mapped[Money] = mapped_column(server_default="0")
    held: Mapped[Money] = mapped_column(server_default="0")
    sequence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Number of its postings so far."""
    newest_entry_id: Mapped[UUID | None] = mapped_column(server_default=text("NULL"))
    """The entry of its newest posting: later entries have higher keys, unless this one is of a time
    to come. Written like `sequence`."""


class HoldState(StrEnum):
    """Life of a hold."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"


class Hold(Tenanted):
    """Money reserved on an account for one source; it never expires by itself."""

    __tablename__ = "holds"
    __table_args__ = (
        within_company("account_id", "ledger_accounts"),
        UniqueConstraint("company_id", "source"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("expected_fee >= 0", name="expected_fee"),
        Index("ix_holds_open", "account_id", postgresql_where="state = 'open'"),
    )

    account_id: Mapped[UUID]
    source: Mapped[str]
    """E.g. attempt:<id>."""
    amount: Mapped[Money]
    """Without the fee."""
    expected_fee: Mapped[Money]
    """Where the rail takes its fee from the paying account."""
    state: Mapped[HoldState] = mapped_column(choice(HoldState, "state"))
    closed_at: Mapped[datetime | None]


class Side(StrEnum):
    """The side of a posting; amounts stay positive."""

    DEBIT = "debit"
    CREDIT = "credit"


class JournalSource(Base):
    """The unique source of every entry, unpartitioned: what makes a replay harmless."""

    __tablename__ = "journal_sources"

    company_id: Mapped[UUID] = mapped_column(
        ForeignKey("companies.id", ondelete="RESTRICT"), primary_key=True
    )
    source: Mapped[str] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(unique=True)


class JournalEntry(Base):
    """One balanced event. Append-only, partitioned by the time in its key."""

    __tablename__ = "journal_entries"
    __table_args__ = (
        UniqueConstraint("company_id", "id"),
        member("created_by"),
        Index("ix_journal_entries_date", "company_id", "accounting_date"),
        Index("ix_journal_entries_payment", "payment_id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id", ondelete="RESTRICT"))
    source: Mapped[str]
    rule: Mapped[str]
    """The posting rule that made the entry (docs/ledger.md)."""
    description: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    accounting_date: Mapped[date]
    """Company-time date of occurred_at, else the first day of the earliest open period."""
    currency: Mapped[CurrencyCode]
    created_by: Mapped[UUID | None]
    """Null: the system."""
    payment_id: Mapped[UUID | None]
    execution_id: Mapped[UUID | None]
    reverses_entry_id: Mapped[UUID | None]
    request_id: Mapped[str | None]


class Posting(Base):
    """One debit or credit line, with the balance after it. Append-only."""

    __tablename__ = "postings"
    __table_args__ = (
        ForeignKeyConstraint(
            ("company_id", "entry_id"),
            ("journal_entries.company_id", "journal_entries.id"),
            ondelete="RESTRICT",
        ),
        within_company("account_id", "ledger_accounts"),
        CheckConstraint("amount > 0", name="amount"),
        Index("ix_postings_account", "account_id", "sequence"),
        Index("ix_postings_statement", "account_id", "entry_id"),
        Index("ix_postings_id", "id"),
        {"postgresql_partition_by": "RANGE (entry_id)"},
    )

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    company_id: Mapped[UUID]
    account_id: Mapped[UUID]
    side: Mapped[Side] = mapped_column(choice(Side, "side"))
    amount: Mapped[Money]
    currency: Mapped[CurrencyCode]
    sequence: Mapped[int] = mapped_column(BigInteger)
    """1, 2, 3 … within the account."""
    balance_after: Mapped[Money] = mapped_column(Numeric(20, 2))
    fund_id: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    cost_center_id: Mapped[UUID | None]
    category: Mapped[str | None]
    budget_line_id: Mapped[UUID | None]
    party_id: Mapped[UUID | None]
    tax_code: Mapped[str | None]
    memo: Mapped[str | None]


class PeriodState(StrEnum):
    """Soft close stops people, hard close everyone; facts roll forward."""

    OPEN = "open"
    SOFT_CLOSED = "soft_closed"
    HARD_CLOSED = "hard_closed"


class LedgerPeriod(Decidable):
    """A month of a company. A month without a row is open.

    A soft close proposes the hard one, which another person decides.
    """

    __tablename__ = "ledger_periods"
    __table_args__ = (
        UniqueConstraint("company_id", "month"),
        member("proposed_by"),
        member("decided_by"),
        CheckConstraint("month = date_trunc('month', month)::date", name="month"),
    )

    month: Mapped[date]
    """Its first day."""
    state: Mapped[PeriodState] = mapped_column(choice(PeriodState, "state"))
    version: Mapped[int] = mapped_column(default=1)
