"""Approval policy and what became of it: thresholds, rounds → steps → assignees → decisions.

A round is about a subject: `subject_kind` and `subject_id`. Each kind has a column of its own that
the database computes from the two, and a foreign key from there to the table of its rows: a round
can't be about what is not there, nor about another company's. Steps and decisions lead to their
round together with its subject, so that none is about anything else. A new kind is one such column
in rounds and trail (docs/adr/0017-rounds-over-a-subject.md).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.access import Role
from pettycash.models.base import (
    CurrencyCode,
    Money,
    Tenanted,
    Updated,
    choice,
    member,
    only_of,
    own_key,
    within_company,
)


class Origin(StrEnum):
    """Where a subject is raised."""

    BRANCH = "branch"
    HQ = "hq"
    FIELD = "field"


class SubjectRow(Tenanted):
    """A row that people approve, in rounds: `subject_id` is its key."""

    __abstract__ = True
    subject_kind: ClassVar[str]

    number: Mapped[str]
    requester_id: Mapped[UUID]
    """The person who asks, and decides nothing about it."""


class ThresholdOrigin(StrEnum):
    """Where a subject comes from; `any` serves what no exact origin does."""

    BRANCH = "branch"
    HQ = "hq"
    FIELD = "field"
    ANY = "any"


class ApprovalThreshold(Updated, Tenanted):
    """One tier: min_amount < amount ≤ max_amount, for a currency, an origin and a period.

    Published rows only; a draft is a Change. An exclusion constraint (migration) refuses two tiers
    of one company, currency, origin and period whose amounts overlap.
    """

    __tablename__ = "approval_thresholds"
    __table_args__ = (
        own_key(),
        member("drafted_by"),
        member("published_by"),
        CheckConstraint("min_amount >= 0", name="min_amount"),
        CheckConstraint("max_amount IS NULL OR max_amount > min_amount", name="range"),
        CheckConstraint("tier >= 1", name="tier"),
        CheckConstraint("jsonb_typeof(roles_sequence) = 'array'", name="roles_sequence"),
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="validity"),
        Index("ix_approval_thresholds_find", "company_id", "currency", "origin", "min_amount"),
    )

    currency: Mapped[CurrencyCode]
    origin: Mapped[ThresholdOrigin] = mapped_column(choice(ThresholdOrigin, "origin"))
    tier: Mapped[int]
    name: Mapped[str]
    min_amount: Mapped[Money]
    max_amount: Mapped[Money | None]
    """Null: no limit."""
    roles_sequence: Mapped[list[str]]
    allow_urgent_fasttrack: Mapped[bool] = mapped_column(default=False)
    requires_cfo: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[int] = mapped_column(default=100)
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    drafted_by: Mapped[UUID | None]
    """Null only in the bootstrap of a new company."""
    published_by: Mapped[UUID | None]


class RoundStatus(StrEnum):
    """Life of one round of approval."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    VOIDED = "voided"  # recalled, cancelled, or a material change
    HANDED_OVER = "handed_over"  # others take what was left; the approvals in it stand


SUBJECT_IS_THERE = "requisition_id IS NOT NULL"
"""Whatever kind a subject is of, the column of that kind has its key."""


def step_of_round() -> ForeignKeyConstraint:
    """A step or decision leads to its round together with the round's subject."""
    return ForeignKeyConstraint(
        ("company_id", "round_id", "subject_id"),
        ("approval_rounds.company_id", "approval_rounds.id", "approval_rounds.subject_id"),
        ondelete="RESTRICT",
    )


class ApprovalRound(Updated, Tenanted):
    """One submission of a subject: the policy and the facts as they stood then."""

    __tablename__ = "approval_rounds"
    __table_args__ = (
        own_key(),
        CheckConstraint(SUBJECT_IS_THERE, name="subject"),
        within_company("requisition_id", "requisitions"),
        within_company("threshold_id", "approval_thresholds"),
        member("requester_id"),
        UniqueConstraint("subject_id", "number"),
        UniqueConstraint("company_id", "id", "subject_id"),
        Index(
            "uq_approval_rounds_open",
            "subject_id",
            unique=True,
            postgresql_where="status = 'open'",
        ),
    )

    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    requisition_id: Mapped[UUID | None] = only_of("requisition")
    requester_id: Mapped[UUID]
    """The person who asks; a trigger lets them decide nothing."""
    number: Mapped[int]
    threshold_id: Mapped[UUID]
    policy: Mapped[dict[str, Any]]
    """Snapshot of the threshold; running rounds keep it whatever is published later."""
    facts: Mapped[dict[str, Any]]
    """The approved facts: amount, currency, payee, destination, purpose, lines, origin, branch …"""
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the versioned canonical JSON of `facts`."""
    status: Mapped[RoundStatus] = mapped_column(choice(RoundStatus, "status"))
    override: Mapped[str | None]
    """`treasury_requester` where that rule replaced the roles sequence."""
    closed_at: Mapped[datetime | None]


class StepStatus(StrEnum):
    """Life of a step."""

    WAITING = "waiting"
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    SKIPPED = "skipped"  # by a confirmed urgency
    VOIDED = "voided"


class ApprovalStep(Updated, Tenanted):
    """One place in the chain."""

    __tablename__ = "approval_steps"
    __table_args__ = (
        own_key(),
        step_of_round(),
        UniqueConstraint("round_id", "position"),
        CheckConstraint("auto_escalated = (escalation_reason IS NOT NULL)", name="escalation"),
        Index(
            "uq_approval_steps_open",
            "subject_id",
            unique=True,
            postgresql_where="status = 'open'",
        ),
    )

    subject_id: Mapped[UUID]
    round_id: Mapped[UUID]
    position: Mapped[int]
    role: Mapped[str]
    """The rank that decides; `escalation_approver` where the company's own one stands in."""
    scope_id: Mapped[UUID | None]
    """The unit whose approver it is, where that is not the subject's but the requester's."""
    original_role: Mapped[Role] = mapped_column(choice(Role, "original_role"))
    status: Mapped[StepStatus] = mapped_column(choice(StepStatus, "status"))
    confirms_urgency: Mapped[bool] = mapped_column(default=False)
    """First step of an urgent subject: answered by confirm_urgency until that is decided."""
    auto_escalated: Mapped[bool] = mapped_column(default=False)
    escalation_reason: Mapped[str | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class StepAssignee(Tenanted):
    """The person who may decide a step. One per step now; nobody twice in a round."""

    __tablename__ = "step_assignees"
    __table_args__ = (
        within_company("step_id", "approval_steps"),
        within_company("round_id", "approval_rounds"),
        member("user_id"),
        UniqueConstraint("round_id", "user_id"),
        Index("ix_step_assignees_user", "company_id", "user_id", "step_id"),
    )

    step_id: Mapped[UUID]
    round_id: Mapped[UUID]
    user_id: Mapped[UUID]


class StepDecision(StrEnum):
    """The decision of an assignee."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    URGENCY_CONFIRMED = "urgency_confirmed"  # also their approval
    URGENCY_REFUSED = "urgency_refused"  # the step stays open for the ordinary decision


class Decision(Tenanted):
    """Append-only. Triggers keep requester, approvers and executor apart, in both directions."""

    __tablename__ = "decisions"
    __table_args__ = (
        step_of_round(),
        within_company("step_id", "approval_steps"),
        member("user_id"),
        Index(
            "uq_decisions_final",
            "step_id",
            unique=True,
            postgresql_where="verdict <> 'urgency_refused'",
        ),
        Index(
            "uq_decisions_urgency_refused",
            "step_id",
            unique=True,
            postgresql_where="verdict = 'urgency_refused'",
        ),
        Index("ix_decisions_subject", "subject_id", "user_id"),
        Index("ix_decisions_round", "round_id", "user_id"),
    )

    subject_id: Mapped[UUID]
    round_id: Mapped[UUID]
    step_id: Mapped[UUID]
    user_id: Mapped[UUID]
    role: Mapped[str]
    verdict: Mapped[StepDecision] = mapped_column(choice(StepDecision, "verdict"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    comment: Mapped[str | None]
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]


class TrailAction(StrEnum):
    """The actions that the trail records."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    VALIDATED = "validated"
    RETURNED = "returned"
    HELD = "held"
    PAID = "paid"
    REVIEWED = "reviewed"
    REJECTED = "rejected"
    URGENCY_CONFIRMED = "urgency_confirmed"
    URGENCY_REFUSED = "urgency_refused"
    CHANGES_REQUESTED = "changes_requested"
    RECALLED = "recalled"
    CANCELLED = "cancelled"
    ESCALATED = "escalated"
    CHANGED = "changed"
    RELEASED_FROM_HOLD = "released_from_hold"
    CLOSED_SHORT = "closed_short"


class ApprovalTrail(Tenanted):
    """Append-only story of a subject, as auditors read it."""

    __tablename__ = "approval_trail"
    __table_args__ = (
        CheckConstraint(SUBJECT_IS_THERE, name="subject"),
        within_company("requisition_id", "requisitions"),
        member("user_id"),
        member("on_behalf_of"),
        Index("ix_approval_trail_subject", "company_id", "subject_id", "id"),
    )

    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    requisition_id: Mapped[UUID | None] = only_of("requisition")
    user_id: Mapped[UUID | None]
    """Null: the system."""
    on_behalf_of: Mapped[UUID | None]
    role: Mapped[str | None]
    action: Mapped[TrailAction] = mapped_column(choice(TrailAction, "action"))
    comment: Mapped[str | None]
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    auto_escalated: Mapped[bool] = mapped_column(default=False)
    escalation_reason: Mapped[str | None]
    skipped_roles: Mapped[list[str]] = mapped_column(default=list)
    override: Mapped[str | None]
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]
