"""Tables of the platform: outbox messages, idempotency, two-person changes, cases, pauses."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    REQUEST_ID,
    Base,
    Decidable,
    Keyed,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
)


class OutboxMessage(Tenanted):
    """Something that must happen. A message is only a hint to look at this row.

    `topic` is the name of the Celery task; `key` the thing it is about. `completed_at` is set
    in the transaction of the effect, never when a message was published.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "topic", "key"),
        Index(
            "ix_outbox_messages_lane",
            "topic",
            "lane",
            "due_at",
            postgresql_where="completed_at IS NULL AND dead_lettered_at IS NULL",
        ),
        Index("ix_outbox_messages_company", "company_id", "id"),
        CheckConstraint("lane IS NOT NULL OR completed_at IS NOT NULL", name="lane"),
    )

    topic: Mapped[str]
    key: Mapped[UUID]
    lane: Mapped[UUID | None]
    """The lane that takes turns: the company, or the provider account that is called. What was
    done before there were lanes has none."""
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was published."""
    handed_at: Mapped[datetime | None]
    """When it was published last."""
    failures: Mapped[int] = mapped_column(default=0)
    """How often its task ended in an error; dead-lettered after a bound."""
    last_error: Mapped[str | None]
    completed_at: Mapped[datetime | None]
    dead_lettered_at: Mapped[datetime | None]
    dead_lettered_by_hand: Mapped[bool] = mapped_column(default=False, server_default="false")
    """A person dead-lettered it, and only a person may retry it."""
    request_id: Mapped[str | None] = mapped_column(server_default=REQUEST_ID)
    """Of the request that it began with; its task goes on under it."""


class IdempotencyKey(Tenanted):
    """The stored answer of a request that carried an Idempotency-Key; kept 30 days."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        UniqueConstraint("company_id", "principal", "method", "route", "key"),
        Index("ix_idempotency_keys_created", "created_at"),
    )

    principal: Mapped[str]
    method: Mapped[str]
    route: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the canonical body."""
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class ChangeStatus(StrEnum):
    """Life of a two-person change."""

    PROPOSED = "proposed"
    EFFECTIVE = "effective"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Change(Decidable):
    """A proposal by one person that a second holder of the same right makes effective."""

    __tablename__ = "changes"
    __table_args__ = (
        own_key(),
        member("proposed_by"),
        member("decided_by"),
        member("decider_id"),
        CheckConstraint("status = 'proposed' OR decided_by IS NOT NULL", name="decided"),
        Index("ix_changes_status", "company_id", "status", "id"),
        Index("ix_changes_redirects", "object_id", postgresql_where="kind = 'redirect'"),
        Index("ix_changes_decider", "company_id", "decider_id", "id"),
    )

    own_end = ChangeStatus.WITHDRAWN.value

    kind: Mapped[str]
    """The kind of change: threshold, role_assignment, custodian, escalation_approver …"""
    object_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    reason: Mapped[str]
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the facts as they would be; who decides sends it back. Null: the kind needs none."""
    decider_id: Mapped[UUID | None]
    """The one person who is asked; null where any holder of the kind's right decides."""
    status: Mapped[ChangeStatus] = mapped_column(choice(ChangeStatus, "status"))
    proposed_by: Mapped[UUID] = mapped_column()


class CaseKind(StrEnum):
    """Why a person has to look."""

    IN_DOUBT = "in_doubt"
    CONTRADICTION = "contradiction"
    MISMATCH = "mismatch"
    UNMATCHED_CALLBACK = "unmatched_callback"
    SHORT_DELIVERY = "short_delivery"
    LATE_FACT = "late_fact"
    BELOW_FLOOR = "below_floor"
    DEAD_LETTER = "dead_letter"
    RELEASE_LOCKED = "release_locked"
    CREDENTIALS_REFUSED = "credentials_refused"


class Severity(StrEnum):
    """How soon."""

    NOTICE = "notice"
    WARNING = "warning"
    SEVERE = "severe"


class CaseStatus(StrEnum):
    """Life of a case: one person proposes how it ends, another one agrees."""

    OPEN = "open"
    PROPOSED = "proposed"
    RESOLVED = "resolved"


class Case(Decidable):
    """Something that the system can't decide alone. One open case per kind and object."""

    __tablename__ = "cases"
    __table_args__ = (
        own_key(),
        member("owner_id"),
        member("proposed_by"),
        member("decided_by"),
        Index(
            "uq_cases_open",
            "company_id",
            "kind",
            "object_type",
            "object_id",
            unique=True,
            postgresql_where="status <> 'resolved'",
        ),
        Index("ix_cases_status", "company_id", "status", "id"),
        Index("ix_cases_object", "company_id", "object_type", "object_id"),
    )

    kind: Mapped[CaseKind] = mapped_column(choice(CaseKind, "kind"))
    severity: Mapped[Severity] = mapped_column(choice(Severity, "severity"))
    status: Mapped[CaseStatus] = mapped_column(choice(CaseStatus, "status"))
    object_type: Mapped[str]
    """payment, callback, store, provider_account, replenishment, outbox_message …"""
    object_id: Mapped[UUID]
    summary: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    owner_id: Mapped[UUID | None]
    due_at: Mapped[datetime | None]
    alerted_at: Mapped[datetime | None]
    proposal: Mapped[dict[str, Any] | None]
    """How it shall end; the second person, or the fact that settles it, resolves it."""
    version: Mapped[int] = mapped_column(default=1)


class PauseScope(StrEnum):
    """The scope of a pause. The whole installation is paused by PlatformPause."""

    COMPANY = "company"
    PROVIDER_ACCOUNT = "provider_account"
    STORE = "store"


class Pause(Decidable):
    """Nothing new is released or sent within it; queries and callbacks go on.

    One person proposes its end, another resumes.
    """

    __tablename__ = "pauses"
    __table_args__ = (
        own_key(),
        member("paused_by"),
        member("proposed_by"),
        member("decided_by"),
        CheckConstraint("(scope = 'company') = (object_id IS NULL)", name="object"),
        Index(
            "uq_pauses_open",
            "company_id",
            "scope",
            "object_id",
            unique=True,
            postgresql_where="decided_at IS NULL",
            postgresql_nulls_not_distinct=True,
        ),
    )

    scope: Mapped[PauseScope] = mapped_column(choice(PauseScope, "scope"))
    object_id: Mapped[UUID | None]
    reason: Mapped[str]
    paused_by: Mapped[UUID | None]
    """Null: the system."""


class PlatformPause(Updated, Keyed):
    """The whole installation is paused (`pettycash pause --all`). Not a business row."""

    __tablename__ = "platform_pauses"
    __table_args__ = (
        Index(
            "uq_platform_pauses_open", "scope", unique=True, postgresql_where="resumed_at IS NULL"
        ),
        CheckConstraint(
            "resumed_by IS NULL OR resumed_by <> resume_requested_by", name="two_people"
        ),
    )

    scope: Mapped[str] = mapped_column(default="all")
    reason: Mapped[str]
    paused_by: Mapped[str]
    """Login names of operators on the host."""
    resume_requested_by: Mapped[str | None]
    resumed_by: Mapped[str | None]
    resumed_at: Mapped[datetime | None]


class Restore(Base):
    """This database was restored, or its replica promoted; what came after `taken_at` is lost.

    Attempts whose requisition is as old as `covers_until` may have been sent before (`asks_first`).
    Written by `pettycash restore`, as the owner; not a business row.
    """

    __tablename__ = "restores"
    __table_args__ = (
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("taken_at <= covers_until", name="order"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    taken_at: Mapped[datetime]
    stamped_at: Mapped[datetime]
    covers_until: Mapped[datetime]
    counters: Mapped[dict[str, Any]]
    """Numbers that were skipped: company and counter → from, to."""
    stamped_by: Mapped[str]


class Heartbeat(Base):
    """The last sign of life of a background part: each queue, relay, beat."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(primary_key=True)
    beaten_at: Mapped[datetime]


class PeriodicJob(Base):
    """A job that beat starts: counted as it begins, so that one that kills its process is known."""

    __tablename__ = "periodic_jobs"

    name: Mapped[str] = mapped_column(primary_key=True)
    begun_at: Mapped[datetime]
    failures: Mapped[int]
    """How often in a row it began and did not come to its end."""
    last_error: Mapped[str | None]
