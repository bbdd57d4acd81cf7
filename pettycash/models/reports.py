"""Files that people asked for: made by a worker, kept for a day."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import Tenanted, Updated, choice, member, own_key, within_company


class ReportRunStatus(StrEnum):
    """Life of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ReportRun(Updated, Tenanted):
    """A report or a list that somebody wants as a file; only they see it."""

    __tablename__ = "report_runs"
    __table_args__ = (
        own_key(),
        member("asked_by"),
        CheckConstraint("(status = 'done') = (expires_at IS NOT NULL)", name="done"),
        CheckConstraint("(status = 'failed') = (failure IS NOT NULL)", name="failure"),
        Index("ix_report_runs_asked_by", "company_id", "asked_by", "id"),
    )

    asked_by: Mapped[UUID]
    operation: Mapped[str]
    """What reads it, in the permission table."""
    parameters: Mapped[dict[str, Any]]
    """By name what was given, as text."""
    file_format: Mapped[str]
    status: Mapped[ReportRunStatus] = mapped_column(choice(ReportRunStatus, "status"))
    rows: Mapped[int] = mapped_column(default=0)
    """Written so far."""
    size: Mapped[int | None]
    """Bytes."""
    failure: Mapped[str | None]
    """The code of what stopped it."""
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """When the file goes."""


class ReportChunk(Tenanted):
    """A part of a file; all of them are written at once."""

    __tablename__ = "report_chunks"
    __table_args__ = (
        within_company("run_id", "report_runs"),
        UniqueConstraint("run_id", "number"),
        CheckConstraint("number >= 0", name="number"),
    )

    run_id: Mapped[UUID]
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)
