"""The requisitions and redirects that wait for the decision of a person."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select, union_all

from pettycash.models.approvals import ApprovalRound, ApprovalStep, StepAssignee, StepStatus
from pettycash.models.operations import Change, ChangeStatus
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime.money import Currency
from pettycash.services.approvals import rounds
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import Find, Listing, between, days, flag, many
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import cautions, reading

KEY = func.coalesce(ApprovalStep.id, Change.id)
"""Of the step or of the redirect: it sorts by age."""

Row = tuple[ApprovalStep | None, ApprovalRound | None, Change | None, Requisition]


def waiting(uow: Uow) -> Select[*tuple[Any, ...]]:
    """An open step with its round, or a redirect; each of a requisition."""
    actor = uow.actor
    redirects = (
        select(Change.id, Change.object_id)
        .where(
            Change.decider_id == actor.user_id,
            Change.kind == "redirect",
            Change.status == ChangeStatus.PROPOSED,
        )
        .subquery()
    )
    items = union_all(
        select(
            ApprovalStep.id.label("id"),
            ApprovalStep.subject_id.label("requisition_id"),
        )
        .join(Requisition, Requisition.id == ApprovalStep.subject_id)
        .where(_waits_for(actor)),
        select(redirects.c.id, Requisition.id).join(
            Requisition, Requisition.id == redirects.c.object_id
        ),
        select(redirects.c.id, Payment.requisition_id).join(
            Payment, Payment.id == redirects.c.object_id
        ),
    ).subquery("items")
    return (
        select(ApprovalStep, ApprovalRound, Change, Requisition)
        .select_from(items)
        .join(Requisition, Requisition.id == items.c.requisition_id)
        .outerjoin(ApprovalStep, ApprovalStep.id == items.c.id)
        .outerjoin(ApprovalRound, ApprovalRound.id == ApprovalStep.round_id)
        .outerjoin(Change, Change.id == items.c.id)
    )


def _waits_for(actor: Actor) -> ColumnElement[bool]:
    assigned = select(StepAssignee.step_id).where(
        StepAssignee.company_id == actor.company_id, StepAssignee.user_id == actor.user_id
    )
    return and_(
        ApprovalStep.status == StepStatus.OPEN,
        ApprovalStep.id.in_(assigned),
        Requisition.requester_id != actor.user_id,
    )


def _shown(uow: Uow, rows: Sequence[Row]) -> list[dict[str, Any]]:
    actor = uow.actor
    warned = cautions.of(Uow.of(uow.session, actor), [requisition for *_, requisition in rows])
    return [
        {
            "requisition": reading.summary(requisition, actor),
            "requester_id": requisition.requester_id,
            "step": None
            if step is None
            else reading.ShownStep(step=step, assignee_ids=(actor.user_id,)),
            "redirect": redirect,
            "warnings": warned[requisition.id],
            "asks_urgency": requisition.status is RequisitionStatus.PENDING_URGENCY_CONFIRMATION,
            "decision_digest": _digest(of_round, redirect),
        }
        for step, of_round, redirect, requisition in rows
    ]


def _digest(of_round: ApprovalRound | None, redirect: Change | None) -> str | None:
    if of_round is not None:
        return rounds.decision_digest(of_round)
    return redirect.digest.hex() if redirect is not None and redirect.digest is not None else None


INBOX = Listing(
    name="approvals.list",
    query=waiting,
    filters={
        "currency": many(Requisition.currency, Currency),
        "is_urgent": flag(Requisition.is_urgent),
        **{
            name: many(getattr(Requisition, name))
            for name in ("region_id", "branch_id", "department_id", "requester_id")
        },
        **between("amount", Requisition.amount),
        **days(func.coalesce(ApprovalStep.created_at, Change.created_at)),
    },
    find=Find(
        words=(Requisition.number, Requisition.purpose, Requisition.payee_name),
        text="Words of number, purpose and payee, in any case.",
    ),
    orders={"oldest": (KEY,)},
    show=_shown,
    people=("requester_id",),
    hides_people=True,
)
"""By the age of the step or of the redirect; days are those since which it waits."""
