"""Company → region → branch; company → department, cost centre, position (domain.md §3)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    CurrencyCode,
    Keyed,
    Tenanted,
    Updated,
    member,
    own_key,
    within_company,
)


class Company(Updated, Keyed):
    """The tenant. `code` is unique in the whole installation."""

    __tablename__ = "companies"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[CurrencyCode]
    is_active: Mapped[bool] = mapped_column(default=True)
    bootstrapped_at: Mapped[datetime | None]
    """When its first people and roles were set up without a second person: a recorded exception."""


class CompanySettings(Tenanted):
    """One version of a company's settings; the highest version counts."""

    __tablename__ = "company_settings"
    __table_args__ = (member("changed_by"), UniqueConstraint("company_id", "version"))

    version: Mapped[int]
    data: Mapped[dict[str, Any]]
    changed_by: Mapped[UUID | None]


class Region(Updated, Tenanted):
    """A group of branches."""

    __tablename__ = "regions"
    __table_args__ = (own_key(), UniqueConstraint("company_id", "code"))

    code: Mapped[str]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Branch(Updated, Tenanted):
    """A place where money is spent."""

    __tablename__ = "branches"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        within_company("region_id", "regions"),
        Index("ix_branches_region", "company_id", "region_id"),
    )

    code: Mapped[str]
    name: Mapped[str]
    region_id: Mapped[UUID]
    address: Mapped[str | None]
    is_head_office: Mapped[bool] = mapped_column(default=False, server_default=false())
    """True: its members raise requisitions of origin hq."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Department(Updated, Tenanted):
    """A department of the company, over all branches."""

    __tablename__ = "departments"
    __table_args__ = (own_key(), UniqueConstraint("company_id", "code"))

    code: Mapped[str]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class CostCenter(Updated, Tenanted):
    """Where a cost is charged to; may belong to a branch or a department."""

    __tablename__ = "cost_centers"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        within_company("branch_id", "branches"),
        within_company("department_id", "departments"),
    )

    code: Mapped[str]
    name: Mapped[str]
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Position(Updated, Tenanted):
    """A job title with a level."""

    __tablename__ = "positions"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        CheckConstraint("level >= 0", name="level"),
    )

    code: Mapped[str]
    title: Mapped[str]
    level: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Counter(Tenanted):
    """The last short number given out, per kind and year: REQ-2026-000123."""

    __tablename__ = "counters"
    __table_args__ = (UniqueConstraint("company_id", "kind", "year"),)

    kind: Mapped[str]
    year: Mapped[int]
    last: Mapped[int]
