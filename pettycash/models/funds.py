"""Funds and the stores their money lies in; provider accounts (domain.md §5, §6)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Base,
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
    """Per voucher."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


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
