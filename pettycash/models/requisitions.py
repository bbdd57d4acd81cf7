"""Requisitions, their lines and attachments, and the states they go through (domain.md §4)."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, func, inspect, text
from sqlalchemy.orm import Mapped, mapped_column, object_session

from pettycash.models.approvals import Origin, SubjectRow
from pettycash.models.base import (
    CurrencyCode,
    Money,
    Numbered,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)
from pettycash.runtime import errors
from pettycash.runtime.rails import Method


class RequisitionKind(StrEnum):
    """The kind of a requisition: expense, advance …"""

    EXPENSE = "expense"
    REIMBURSEMENT = "reimbursement"
    ADVANCE = "advance"
    PER_DIEM = "per_diem"


class RequisitionStatus(StrEnum):
    """Where a requisition stands. `pending_*` follows the open step."""

    DRAFT = "draft"
    PENDING = "pending"
    PENDING_URGENCY_CONFIRMATION = "pending_urgency_confirmation"
    PENDING_DEPT_APPROVAL = "pending_dept_approval"
    PENDING_BRANCH_APPROVAL = "pending_branch_approval"
    PENDING_REGIONAL_REVIEW = "pending_regional_review"
    PENDING_FINANCE_REVIEW = "pending_finance_review"
    PENDING_CFO_APPROVAL = "pending_cfo_approval"
    PENDING_CEO_APPROVAL = "pending_ceo_approval"
    PENDING_TREASURY_VALIDATION = "pending_treasury_validation"
    IN_PAYMENT = "in_payment"
    PAID = "paid"
    REVIEWED = "reviewed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    CHANGES_REQUESTED = "changes_requested"
    CLOSED_SHORT = "closed_short"


R = RequisitionStatus
IN_APPROVAL = frozenset(
    {
        R.PENDING,
        R.PENDING_URGENCY_CONFIRMATION,
        R.PENDING_DEPT_APPROVAL,
        R.PENDING_BRANCH_APPROVAL,
        R.PENDING_REGIONAL_REVIEW,
        R.PENDING_FINANCE_REVIEW,
        R.PENDING_CFO_APPROVAL,
        R.PENDING_CEO_APPROVAL,
    }
)
"""States in which a step waits for an approver."""

_LEAVING_APPROVAL = frozenset(
    {
        R.PENDING_TREASURY_VALIDATION,
        R.REJECTED,
        R.CHANGES_REQUESTED,
        R.CANCELLED,
        R.DRAFT,
    }
)

TRANSITIONS: Mapping[RequisitionStatus, frozenset[RequisitionStatus]] = {
    R.DRAFT: IN_APPROVAL | {R.CANCELLED},
    **dict.fromkeys(IN_APPROVAL, IN_APPROVAL | _LEAVING_APPROVAL),
    R.CHANGES_REQUESTED: IN_APPROVAL | {R.CANCELLED},
    R.PENDING_TREASURY_VALIDATION: IN_APPROVAL  # a material change: a new round
    | {R.IN_PAYMENT, R.CHANGES_REQUESTED, R.REJECTED, R.CANCELLED},
    R.IN_PAYMENT: IN_APPROVAL  # an approver turned out to have another duty
    | {R.PAID, R.CLOSED_SHORT, R.CANCELLED},
    R.PAID: frozenset({R.REVIEWED, R.IN_PAYMENT}),  # back when a payment is reversed by the rail
    R.REVIEWED: frozenset({R.IN_PAYMENT}),  # a reversal after the review is a fact too
    R.REJECTED: frozenset(),
    R.CANCELLED: frozenset(),
    R.CLOSED_SHORT: frozenset({R.REVIEWED, R.PAID}),  # paid: a late proof fills the gap
}


class IllegalRequisitionState(errors.Conflict):
    """The requisition's status does not allow this."""

    code = "requisition.illegal_state"


class Requisition(Numbered, Updated, SubjectRow):
    """A request to spend. Its requester never approves, validates or pays it."""

    __tablename__ = "requisitions"
    prefix = "REQ"
    subject_kind: ClassVar[str] = "requisition"
    __table_args__ = (
        own_key(),
        member("requester_id"),
        member("validated_by"),
        member("payee_user_id"),
        within_company("client_id", "api_keys"),
        within_company("region_id", "regions"),
        within_company("branch_id", "branches"),
        within_company("department_id", "departments"),
        within_company("cost_center_id", "cost_centers"),
        within_company("open_redirect_id", "changes"),
        UniqueConstraint("company_id", "number"),
        Index(
            "uq_requisitions_external_reference",
            "company_id",
            text("coalesce(client_id, requester_id)"),
            "external_reference",
            unique=True,
            postgresql_where="external_reference IS NOT NULL"
            " AND status NOT IN ('rejected', 'cancelled')",
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("approved_amount IS NULL OR approved_amount > 0", name="approved_amount"),
        CheckConstraint("NOT is_urgent OR urgency_reason IS NOT NULL", name="urgency_reason"),
        CheckConstraint("origin <> 'branch' OR branch_id IS NOT NULL", name="branch_origin"),
        CheckConstraint("origin <> 'field' OR region_id IS NOT NULL", name="field_origin"),
        Index("ix_requisitions_status", "company_id", "status", "id"),
        Index("ix_requisitions_requester", "company_id", "requester_id", "id"),
        Index("ix_requisitions_branch", "company_id", "branch_id", "id"),
        Index("ix_requisitions_department", "company_id", "department_id", "id"),
        Index(
            "ix_requisitions_open_redirect",
            "open_redirect_id",
            postgresql_where="open_redirect_id IS NOT NULL",
        ),
        Index("ix_requisitions_amount", "company_id", "amount", "submitted_at"),
        Index("ix_requisitions_updated", "updated_at", postgresql_using="brin"),
    )

    kind: Mapped[RequisitionKind] = mapped_column(choice(RequisitionKind, "kind"))
    origin: Mapped[Origin] = mapped_column(choice(Origin, "origin"))
    origin_reason: Mapped[str | None]
    """Why it is another origin than the requester's own; their own unit's approver comes first."""
    client_id: Mapped[UUID | None]
    """The machine client that raised it on behalf of the requester."""
    external_reference: Mapped[str | None]
    client_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    region_id: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    cost_center_id: Mapped[UUID | None]
    amount: Mapped[Money]
    currency: Mapped[CurrencyCode]
    purpose: Mapped[str]
    payee_name: Mapped[str]
    payee_user_id: Mapped[UUID | None]
    """Where the payee is a member: a custodian never pays themselves."""
    method: Mapped[Method] = mapped_column(choice(Method, "method"))
    destination: Mapped[str]
    """Normalised per method: E.164 phone; for cash the recipient's phone or e-mail."""
    is_urgent: Mapped[bool] = mapped_column(default=False)
    urgency_reason: Mapped[str | None]
    status: Mapped[RequisitionStatus] = mapped_column(choice(RequisitionStatus, "status"))
    status_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tier: Mapped[int | None]
    approved_amount: Mapped[Money | None]
    approved_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    submitted_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    validated_at: Mapped[datetime | None]
    validated_by: Mapped[UUID | None]
    held_at: Mapped[datetime | None]
    """Treasury put it on hold: it can't be validated until that is lifted."""
    hold_reason: Mapped[str | None]
    open_redirect_id: Mapped[UUID | None]
    """A proposed change of its destination: it can't be validated until that is decided."""
    paid_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    def move_to(self, status: RequisitionStatus, *, at: datetime) -> None:
        """Step along TRANSITIONS. Nothing else assigns `status`.

        Raises:
            IllegalRequisitionState: no such step.
        """
        if status not in TRANSITIONS[self.status]:
            raise IllegalRequisitionState(
                f"A requisition that is {self.status} can't become {status}."
            )
        session = object_session(self)
        if session is not None and inspect(self).attrs.status.history.has_changes():
            session.flush()  # the database checks each step, and would see two as one
        self.status = status
        self.status_changed_at = at
        self.version += 1


class RequisitionLine(Tenanted):
    """A line: something to buy. Gross amounts; their sum is the requisition's amount (trigger)."""

    __tablename__ = "requisition_lines"
    __table_args__ = (
        within_company("requisition_id", "requisitions"),
        within_company("cost_center_id", "cost_centers"),
        UniqueConstraint("requisition_id", "position"),
        CheckConstraint("amount > 0", name="amount"),
    )

    requisition_id: Mapped[UUID]
    position: Mapped[int]
    description: Mapped[str]
    amount: Mapped[Money]
    category: Mapped[str]
    """Code of an expense account, e.g. travel."""
    cost_center_id: Mapped[UUID | None]
    budget_line_id: Mapped[UUID | None]
    tax_code: Mapped[str | None]
    tax_amount: Mapped[Money | None]


class Attachment(Tenanted):
    """A file that proves something; of those in force the digest is unique in the company."""

    __tablename__ = "attachments"
    __table_args__ = (
        own_key(),
        within_company("requisition_id", "requisitions"),
        within_company("payment_id", "payments"),
        within_company("case_id", "cases"),
        member("uploaded_by"),
        Index(
            "uq_attachments_digest",
            "company_id",
            "digest",
            unique=True,
            postgresql_where="in_force",
        ),
        Index("ix_attachments_uploaded", "company_id", "uploaded_by", "created_at"),
        CheckConstraint("size <= 10485760", name="size"),
        CheckConstraint("num_nonnulls(requisition_id, payment_id, case_id) = 1", name="owner"),
        Index("ix_attachments_requisition", "company_id", "requisition_id"),
        Index("ix_attachments_payment", "payment_id", postgresql_where="payment_id IS NOT NULL"),
        Index(
            "ix_attachments_case",
            "company_id",
            "case_id",
            postgresql_where="case_id IS NOT NULL",
        ),
    )

    requisition_id: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    """Of a cash payment: what its recipient signed."""
    case_id: Mapped[UUID | None]
    """Of a case: what shows how it ended."""
    filename: Mapped[str]
    content_type: Mapped[str]
    """Found from the content, never believed from the client."""
    size: Mapped[int]
    """Bytes, at most 10 MiB."""
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    uploaded_by: Mapped[UUID]
    in_force: Mapped[bool] = mapped_column(default=True, server_default="true")
    """False once its requisition was rejected or cancelled (trigger): the receipt is free again."""


class AttachmentContent(Tenanted):
    """The bytes, in a table of their own so that lists never read them."""

    __tablename__ = "attachment_contents"
    __table_args__ = (
        within_company("attachment_id", "attachments"),
        UniqueConstraint("attachment_id"),
    )

    attachment_id: Mapped[UUID]
    content: Mapped[bytes] = mapped_column(LargeBinary)
