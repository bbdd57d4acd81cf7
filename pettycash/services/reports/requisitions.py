"""Requisitions: the day of each stage, what each waits for, and how long decisions take."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Numeric, Select, Text, cast, func, literal, select

from pettycash.models.access import Branch, User
from pettycash.models.approvals import (
    ApprovalStep,
    ApprovalTrail,
    StepAssignee,
    StepStatus,
    TrailAction,
)
from pettycash.models.requisitions import Requisition, RequisitionKind, RequisitionStatus
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import (
    Col,
    Link,
    Money,
    Number,
    Param,
    Report,
    Values,
    path_of,
)
from pettycash.services.reports.params import BRANCH, CURRENCY, PERIOD, day, narrowed, within

DECIDED = (StepStatus.APPROVED, StepStatus.REJECTED, StepStatus.CHANGES_REQUESTED)


class Whose(StrEnum):
    """The owner of a turnaround time."""

    ROLE = "role"
    PERSON = "person"
    BRANCH = "branch"


STATUS = Param(
    name="status",
    title="Status",
    kind=RequisitionStatus,
    description="One status; default: all.",
    default="all",
)
ROLE = Param(
    name="role",
    title="Role",
    kind=str,
    description="Steps of one role; default: all.",
    default="all",
)
PERSON = Param(
    name="user_id",
    title="Person",
    kind=UUID,
    description="Steps of one person; default: all.",
    default="all",
    words=lambda uow, key: getattr(uow.session.get(User, key), "display_name", str(key)),
)
BY = Param(
    name="by", title="By", kind=Whose, description="Whose times; default: role.", default="role"
)


def _days(uow: Uow, begins: Any, ends: Any) -> Any:
    took = func.extract("epoch", func.coalesce(ends, uow.now) - begins) / 86400
    return func.round(cast(took, Numeric), 1)


def _register(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of, step, asked = Requisition, ApprovalStep, User.__table__.alias("asked")
    reviewed = (
        select(func.max(ApprovalTrail.created_at))
        .where(ApprovalTrail.subject_id == of.id, ApprovalTrail.action == TrailAction.REVIEWED)
        .scalar_subquery()
    )
    waiting = (
        select(func.string_agg(asked.c.display_name, ", "))
        .join(StepAssignee, StepAssignee.user_id == asked.c.id)
        .where(StepAssignee.step_id == step.id)
        .scalar_subquery()
    )
    query = (
        select(
            of.id.label("requisition_id"), of.number, of.kind, of.status,
            User.display_name.label("requester"), Branch.code.label("branch"),
            of.payee_name.label("payee"), of.purpose, of.submitted_at, of.approved_at,
            of.validated_at, of.paid_at, reviewed.label("reviewed_at"), step.role.label("step"),
            waiting.label("waits_for"), _days(uow, of.status_changed_at, None).label("days"),
            of.currency, of.amount, func.coalesce(of.approved_amount, 0).label("approved"),
        )
        .join(User, User.id == of.requester_id)
        .outerjoin(Branch, Branch.id == of.branch_id)
        .outerjoin(step, (step.subject_id == of.id) & (step.status == StepStatus.OPEN))
        .where(visibility.requisitions(uow.actor))
        .order_by(of.currency, of.id)
    )  # fmt: skip
    columns = {"branch_id": of.branch_id, "status": of.status, "currency": of.currency}
    submitted = day(uow, func.coalesce(of.submitted_at, of.created_at))
    return narrowed(within(query, submitted, values), columns, values)


def _steps(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of, step = Requisition, ApprovalStep
    query = (
        select(
            literal(None, Text).label("currency"), step.id.label("step_id"), of.number,
            of.id.label("requisition_id"), step.role, User.display_name.label("person"),
            User.id.label("user_id"), Branch.code.label("branch"), of.branch_id, step.status,
            step.opened_at, step.closed_at,
            _days(uow, step.opened_at, step.closed_at).label("days"),
        )
        .join(of, of.id == step.subject_id)
        .join(StepAssignee, StepAssignee.step_id == step.id)
        .join(User, User.id == StepAssignee.user_id)
        .outerjoin(Branch, Branch.id == of.branch_id)
        .where(step.status.in_(DECIDED), step.opened_at.is_not(None))
        .where(visibility.requisitions(uow.actor))
    )  # fmt: skip
    query = within(query, day(uow, step.closed_at), values)
    columns = {"branch_id": of.branch_id, "role": step.role, "user_id": User.id}
    return narrowed(query, columns, values)


def _turnaround(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    each = _steps(uow, {**values, "role": None, "user_id": None}).subquery()
    key = {
        Whose.ROLE: (each.c.role, each.c.role),
        Whose.PERSON: (each.c.person, each.c.user_id),
        Whose.BRANCH: (each.c.branch, each.c.branch_id),
    }[values["by"] or Whose.ROLE]
    times = {
        name: func.round(
            cast(func.percentile_cont(share).within_group(each.c.days.asc()), Numeric), 1
        ).label(name)
        for name, share in (("median", 0.5), ("p90", 0.9))
    }
    return (
        select(
            literal(None, Text).label("currency"), key[0].label("whose"),
            cast(key[1], Text).label("key"), func.count().label("decisions"), *times.values(),
        )
        .where(key[1].is_not(None))
        .group_by(*dict.fromkeys(key))
        .order_by(*dict.fromkeys(key))
    )  # fmt: skip


def _to_steps(wanted: Whose) -> Any:
    def value(row: Any, values: Values) -> Any:
        return row["key"] if (values["by"] or Whose.ROLE) is wanted else None

    return value


TO_STEPS = Link(
    path=path_of("approval-steps"),
    query={
        "from": "from",
        "to": "to",
        "role": _to_steps(Whose.ROLE),
        "user_id": _to_steps(Whose.PERSON),
        "branch_id": lambda row, values: (
            _to_steps(Whose.BRANCH)(row, values) or values["branch_id"]
        ),
    },
)
ITSELF = Link(path="/api/requisitions/{requisition_id}/")

REQUISITIONS = Report(
    name="requisition-register",
    title="Requisition register",
    summary="List requisitions with the day of each stage, and what each waits for since when.",
    permission="requisition_register.get",
    params=(*PERIOD, BRANCH, STATUS, CURRENCY),
    sql=_register,
    columns=(
        Col("requisition_id", kind=UUID),
        Col("number", "Number"),
        Col("kind", "Kind", kind=RequisitionKind),
        Col("status", "Status", kind=RequisitionStatus),
        Col("requester", "Requester"),
        Col("branch", "Branch"),
        Col("payee", "Payee"),
        Col("purpose", "Purpose"),
        Col("submitted_at", "Submitted", kind=datetime),
        Col("approved_at", "Approved", kind=datetime),
        Col("validated_at", "Validated", kind=datetime),
        Col("paid_at", "Paid", kind=datetime),
        Col("reviewed_at", "Reviewed", kind=datetime),
        Col("step", "Step"),
        Col("waits_for", "Waits for"),
        Number("days", "Days in this status", kind=Decimal),
        Col("currency", "Currency", kind=Currency),
        Money("amount", "Amount", link=ITSELF),
        Money("approved", "Approved amount", link=ITSELF),
    ),
)

APPROVAL_STEPS = Report(
    name="approval-steps",
    title="Approval steps",
    summary="List decided steps of approval: whose each was, and how long it waited.",
    permission="approval_steps.get",
    params=(*PERIOD, BRANCH, ROLE, PERSON),
    sql=lambda uow, values: _steps(uow, values).order_by(ApprovalStep.id),
    columns=(
        Col("step_id", kind=UUID),
        Col("requisition_id", kind=UUID),
        Col("number", "Requisition"),
        Col("branch", "Branch"),
        Col("role", "Role"),
        Col("person", "Person"),
        Col("status", "Decision", kind=StepStatus),
        Col("opened_at", "Opened", kind=datetime),
        Col("closed_at", "Decided", kind=datetime),
        Number("days", "Days", kind=Decimal),
    ),
)

TURNAROUND = Report(
    name="turnaround",
    title="Turnaround of approvals",
    summary="Show the median and the 90th percentile of what decisions took.",
    permission="turnaround.get",
    params=(*PERIOD, BRANCH, BY),
    sql=_turnaround,
    columns=(
        Col("whose", "Whose"),
        Col("key"),
        Number("decisions", "Decisions", total=True, link=TO_STEPS),
        Number("median", "Median days", kind=Decimal),
        Number("p90", "90th percentile", kind=Decimal),
    ),
)
