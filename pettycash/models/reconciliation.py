"""Nightly reconciliation: numbered runs and the breaks they found (domain.md §8)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)


class RunStatus(StrEnum):
    """Life of a run: books checked, rails asked, answers awaited until a deadline, closed."""

    RUNNING = "running"
    WAITING = "waiting"
    CLOSED = "closed"


class ReconciliationRun(Updated, Tenanted):
    """One run for a company and business day; the newest sequence counts."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (
        own_key(),
        member("started_by"),
        UniqueConstraint("company_id", "business_date", "sequence"),
        Index("ix_reconciliation_runs_list", "company_id", "id"),
        Index(
            "uq_reconciliation_runs_open",
            "company_id",
            "business_date",
            unique=True,
            postgresql_where="status <> 'closed'",
        ),
    )

    business_date: Mapped[date]
    sequence: Mapped[int]
    status: Mapped[RunStatus] = mapped_column(choice(RunStatus, "status"))
    started_by: Mapped[UUID | None]
    """Null: beat or the command line."""
    deadline_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]]
    totals: Mapped[dict[str, Any]]
    mismatches: Mapped[list[Any]]


class ItemState(StrEnum):
    """The finding of a run about one payment."""

    ASKING = "asking"
    WAITING = "waiting"
    MATCHED = "matched"
    BROKEN = "broken"


UNANSWERED = (ItemState.ASKING, ItemState.WAITING)
"""Asked about, and not heard of since."""


class ReconciliationItem(Updated, Tenanted):
    """One payment in one run."""

    __tablename__ = "reconciliation_items"
    __table_args__ = (
        own_key(),
        within_company("run_id", "reconciliation_runs"),
        within_company("payment_id", "payments"),
        UniqueConstraint("run_id", "payment_id"),
        Index("ix_reconciliation_items_state", "run_id", "state"),
    )

    run_id: Mapped[UUID]
    payment_id: Mapped[UUID]
    state: Mapped[ItemState] = mapped_column(choice(ItemState, "state"))
    finding: Mapped[str | None]
    detail: Mapped[dict[str, Any]]
    settled_at: Mapped[datetime | None]
