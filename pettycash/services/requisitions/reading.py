"""A requisition with what belongs to it, as somebody within scope reads it."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.access import Role
from pettycash.models.approvals import ApprovalStep, ApprovalTrail
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition, RequisitionLine, RequisitionStatus
from pettycash.runtime.money import Currency
from pettycash.runtime.sanitising import mask_phone, sanitise
from pettycash.services.approvals import rounds
from pettycash.services.foundation import listings, rail_limits, requesters, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import (
    Find,
    Listing,
    between,
    days,
    exact,
    flag,
    many,
    since,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import approved_facts, cautions

SEES_CLIENT_INFO = frozenset({Role.AUDITOR, Role.CFO})
"""Roles that see the client info of a trail's rows."""


@dataclass(frozen=True, kw_only=True)
class ShownStep:
    """A step of the newest round and who may decide it."""

    step: ApprovalStep
    assignee_ids: tuple[UUID, ...]


def summary(requisition: Requisition, actor: Actor) -> dict[str, Any]:
    """The requisition's own columns, masked for those who only run the system."""
    shown = {
        attribute.key: getattr(requisition, attribute.key)
        for attribute in Requisition.__mapper__.column_attrs
    }
    if requisition.requester_id != actor.user_id and not visibility.sees_payees(actor):
        shown |= {
            "destination": mask_phone(requisition.destination),
            "payee_name": f"{requisition.payee_name[:1]}***",
            "client_metadata": {},
            **{
                name: sanitise(shown[name])
                for name in (
                    "purpose",
                    "urgency_reason",
                    "origin_reason",
                    "hold_reason",
                    "external_reference",
                )
            },
        }
    return shown


def _summaries(uow: Uow, rows: Sequence[Requisition]) -> list[dict[str, Any]]:
    return [summary(each, uow.actor) for each in rows]


REQUISITIONS = Listing(
    name="requisitions.list",
    query=select(Requisition),
    scope=visibility.requisitions,
    filters={
        **{
            name: many(getattr(Requisition, name))
            for name in ("status", "kind", "origin", "method", "region_id", "branch_id")
        },
        "currency": many(Requisition.currency, Currency),
        "department_id": many(Requisition.department_id),
        "requester_id": many(Requisition.requester_id),
        "is_urgent": flag(Requisition.is_urgent),
        "is_held": flag(Requisition.held_at.is_not(None)),
        "is_left_behind": flag(
            requesters.left_behind(),
            text="Raised by somebody who left, for their manager to end or adopt.",
        ),
        "external_reference": exact(Requisition.external_reference, longest=100),
        **between("amount", Requisition.amount),
        **days(Requisition.created_at),
        **days(Requisition.submitted_at, "submitted"),
        **days(Requisition.approved_at, "approved"),
        **days(Requisition.paid_at, "paid"),
        **days(
            Requisition.status_changed_at,
            "rejected",
            where=Requisition.status == RequisitionStatus.REJECTED,
        ),
        "updated_since": since(Requisition.updated_at),
    },
    find=Find(
        words=(Requisition.number,),
        payees=(Requisition.purpose, Requisition.payee_name, Requisition.external_reference),
        text="Words of number, purpose, payee and reference, in any case.",
    ),
    orders={
        "newest": (Requisition.id.desc(),),
        "oldest": (Requisition.id,),
        "largest": (Requisition.amount.desc(), Requisition.id.desc()),
    },
    show=_summaries,
    columns=(
        "number",
        "status",
        "kind",
        "requester_id",
        "payee_name",
        "destination",
        "method",
        "purpose",
        "amount",
        "currency",
        "approved_amount",
        "created_at",
        "submitted_at",
        "approved_at",
        "paid_at",
        "external_reference",
    ),
    people=("requester_id", "validated_by"),
    hides_people=True,
)


def version_tag(uow: Uow, requisition: Requisition) -> str:
    """A mark that changes with anything that `detail` shows: also payments and warnings."""
    uow.session.flush()
    warned = cautions.of(uow, [requisition])[requisition.id]
    return _version_tag(uow.session, requisition, warned)


def _version_tag(session: Session, requisition: Requisition, warned: list[cautions.Caution]) -> str:
    of_payments = session.execute(
        select(func.coalesce(func.sum(Payment.version), 0)).where(
            Payment.requisition_id == requisition.id
        )
    ).scalar_one()
    return _tag(requisition, of_payments, warned)


def _tag(
    requisition: Requisition, versions_of_payments: int, warned: list[cautions.Caution]
) -> str:
    told = zlib.crc32(repr(warned).encode()) if warned else 0
    return f"{requisition.version}.{versions_of_payments}.{told:x}"


def fresh(
    requisition: Requisition, lines: Sequence[RequisitionLine], actor: Actor
) -> tuple[dict[str, Any], str]:
    """`detail` of what was raised just now: nothing can belong to it yet."""
    return _shown(requisition, lines, actor), _tag(requisition, 0, [])


def _shown(
    requisition: Requisition, lines: Sequence[RequisitionLine], actor: Actor
) -> dict[str, Any]:
    shown = summary(requisition, actor)
    is_masked = shown["payee_name"] != requisition.payee_name
    return shown | {
        "lines": [
            {
                "position": line.position,
                "description": sanitise(line.description) if is_masked else line.description,
                "amount": line.amount,
                "currency": requisition.currency,
                "category": line.category,
                "cost_center_id": line.cost_center_id,
                "budget_line_id": line.budget_line_id,
                "tax_code": line.tax_code,
                "tax_amount": line.tax_amount,
            }
            for line in lines
        ],
        "payments": [],
        "warnings": [],
        "payments_needed": _payments_needed(requisition),
        "approval": None,
        "decision_digest": None,
    }


def _payments_needed(requisition: Requisition) -> int | None:
    try:
        return rail_limits.payments_needed(
            requisition.method, requisition.amount, requisition.currency, requisition.destination
        )
    except registry.RailNotServed:
        return None


def detail(uow: Uow, requisition: Requisition) -> tuple[dict[str, Any], str]:
    """Everything about one requisition: lines, the newest round, payments, warnings, the digest to
    decide on; and its `version_tag`.

    Flushes, as steps and payments are read from their tables.
    """
    session = uow.session
    session.flush()
    shown = _shown(requisition, approved_facts.lines_of(session, requisition.id), uow.actor)
    shown["payments"] = list(
        session.execute(
            select(Payment)
            .where(Payment.requisition_id == requisition.id)
            .order_by(Payment.ordinal)
        ).scalars()
    )
    warned = cautions.of(uow, [requisition])[requisition.id]
    shown["warnings"] = warned
    current = rounds.latest(session, requisition.id)
    if current is not None:
        assignees = rounds.assignees_of(session, current.id)
        shown["decision_digest"] = rounds.decision_digest(current)
        shown["approval"] = {
            "round": current.number,
            "status": current.status,
            "threshold_id": current.threshold_id,
            "policy": current.policy,
            "override": current.override,
            "steps": [
                ShownStep(step=step, assignee_ids=tuple(assignees.get(step.id, ())))
                for step in rounds.steps_of(session, current.id)
            ],
        }
    return shown, _version_tag(session, requisition, warned)


def people(uow: Uow, detail: Mapping[str, Any]) -> Mapping[UUID, str]:
    """The names of those in `detail`, for readers who see payees: one of them may be it."""
    if not visibility.sees_payees(uow.actor):
        return {}
    named = {detail["requester_id"], detail["validated_by"]}
    for payment in detail["payments"]:
        named |= {payment.maker_id, payment.executor_id}
    if detail["approval"] is not None:
        for shown in detail["approval"]["steps"]:
            named.update(shown.assignee_ids)
    return listings.people(uow.session, named - {None})


def _story(uow: Uow, rows: Sequence[ApprovalTrail]) -> list[dict[str, Any]]:
    with_client_info = uow.actor.has(*SEES_CLIENT_INFO)
    return [_told(row, with_client_info=with_client_info) for row in rows]


def _told(row: ApprovalTrail, *, with_client_info: bool) -> dict[str, Any]:
    at: datetime = row.created_at
    return {
        "id": row.id,
        "action": row.action,
        "user_id": row.user_id,
        "on_behalf_of_id": row.on_behalf_of,
        "role": row.role,
        "comment": row.comment,
        "timestamp": at,
        "digest": row.digest.hex() if row.digest else None,
        "auto_escalated": row.auto_escalated,
        "escalation_reason": row.escalation_reason,
        "skipped_roles": row.skipped_roles,
        "override": row.override,
        "ip_address": row.ip_address if with_client_info else None,
        "user_agent": row.user_agent if with_client_info else None,
    }


TRAIL = Listing(
    name="requisitions.trail",
    query=select(ApprovalTrail),
    filters={
        "requisition_id": exact(ApprovalTrail.subject_id),
        "action": many(ApprovalTrail.action),
        **days(ApprovalTrail.created_at),
    },
    orders={"oldest": (ApprovalTrail.id,)},
    show=_story,
    columns=("timestamp", "action", "user_id", "role", "comment"),
    people=("user_id", "on_behalf_of_id"),
    hides_people=True,
)
"""Of a requisition that the caller has found to be in scope."""
