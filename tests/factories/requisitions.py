"""Requisitions of the seeded organisation, at any point of their life."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.access import User
from pettycash.models.approvals import (
    ApprovalStep,
    ApprovalTrail,
    StepAssignee,
    StepStatus,
    TrailAction,
)
from pettycash.models.requisitions import (
    IN_APPROVAL,
    TRANSITIONS,
    Requisition,
    RequisitionKind,
    RequisitionStatus,
)
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services import requisitions
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import DraftLine, RequisitionDraft, deciding
from tests.factories.people import acting, user_id
from tests.factories.scenes import remembered

PHONE = "0712345678"
NORMALISED_PHONE = "254712345678"


def a_draft(amount: str = "1500.00", **more: Any) -> RequisitionDraft:
    """A plain expense over M-Pesa, of one line unless told otherwise."""
    facts: dict[str, Any] = {
        "kind": RequisitionKind.EXPENSE,
        "amount": Decimal(amount),
        "currency": Currency.KES,
        "purpose": "Water for the office",
        "payee_name": "Spring Water",
        "method": Method.MPESA,
        "destination": PHONE,
    } | more
    facts.setdefault("lines", [line(str(facts["amount"]))])
    return RequisitionDraft(**facts)


def line(amount: str, description: str = "Water", **more: Any) -> DraftLine:
    """One line."""
    return DraftLine(
        description=description, amount=Decimal(amount), **({"category": "utilities"} | more)
    )


def raised(
    session: Session, amount: str = "1500.00", *, by: str = "staff", **more: Any
) -> Requisition:
    """A draft."""
    return requisitions.create(Uow.of(session, acting(session, by)), draft=a_draft(amount, **more))


AFTER_APPROVAL = frozenset(
    {
        RequisitionStatus.IN_PAYMENT,
        RequisitionStatus.PAID,
        RequisitionStatus.REVIEWED,
        RequisitionStatus.CLOSED_SHORT,
    }
)


def brought_to(session: Session, requisition: Requisition, status: RequisitionStatus) -> None:
    """Along the shortest way that the states allow, without what usually goes with it but the
    approvals, which the database asks for."""
    if status in AFTER_APPROVAL:
        approve_all(session, requisition)
    ways, met = [[requisition.status]], {requisition.status}
    while ways[0][-1] is not status:
        way, *ways = ways
        further = sorted(TRANSITIONS[way[-1]] - met)
        ways += [[*way, each] for each in further]
        met |= set(further)
    for each in ways[0][1:]:
        requisition.move_to(each, at=session.info["now"])
        session.flush()


@remembered
def submitted(
    session: Session, amount: str = "1500.00", *, by: str = "staff", **more: Any
) -> Requisition:
    """One that waits for its first approver."""
    return requisitions.submit(
        Uow.of(session, acting(session, by)),
        requisition_id=raised(session, amount, by=by, **more).id,
    )


@remembered
def approved(
    session: Session, amount: str = "1500.00", *, by: str = "staff", **more: Any
) -> Requisition:
    """One that waits for treasury."""
    return approve_all(session, raised(session, amount, by=by, **more), by=by)


def approve_all(session: Session, draft: Requisition, *, by: str = "staff") -> Requisition:
    """Hand a draft in and let everybody approve it who is asked."""
    requisition = requisitions.submit(Uow.of(session, acting(session, by)), requisition_id=draft.id)
    return approve_open(session, requisition)


def approve_open(session: Session, requisition: Requisition) -> Requisition:
    """Let everybody approve it who is asked."""
    while requisition.status in IN_APPROVAL:
        approve(session, requisition, waiting_for(session, requisition))
    return requisition


def approve(session: Session, requisition: Requisition, by: str, **more: Any) -> Requisition:
    """One approval of what stands there."""
    return deciding.approve(
        Uow.of(session, acting(session, by)),
        **{"requisition_id": requisition.id, "digest": digest(session, requisition.id)} | more,
    )


def digest(session: Session, requisition_id: UUID) -> str:
    """What a decider reads and sends back."""
    latest = rounds.latest(session, requisition_id)
    assert latest is not None
    return rounds.decision_digest(latest)


def waiting_for(session: Session, requisition: Requisition) -> str:
    """The username of whoever has to decide now."""
    return session.execute(
        select(User.username)
        .join(StepAssignee, StepAssignee.user_id == User.id)
        .join(ApprovalStep, ApprovalStep.id == StepAssignee.step_id)
        .where(ApprovalStep.subject_id == requisition.id, ApprovalStep.status == StepStatus.OPEN)
    ).scalar_one()


def chain(session: Session, requisition: Requisition) -> list[tuple[str, str, str]]:
    """(role, username, status) of each step of the newest round."""
    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    return [
        (step.role, name, step.status.value)
        for step, name in session.execute(
            select(ApprovalStep, User.username)
            .join(StepAssignee, StepAssignee.step_id == ApprovalStep.id)
            .join(User, User.id == StepAssignee.user_id)
            .where(ApprovalStep.round_id == latest.id)
            .order_by(ApprovalStep.position)
        )
    ]


def actions(session: Session, requisition: Requisition) -> list[TrailAction]:
    """What its story tells, in order."""
    session.flush()
    return list(
        session.execute(
            select(ApprovalTrail.action)
            .where(ApprovalTrail.requisition_id == requisition.id)
            .order_by(ApprovalTrail.id)
        ).scalars()
    )


def change(session: Session, requisition: Requisition, by: str = "staff", **what: Any) -> None:
    """Change what it says, as its requester unless told otherwise."""
    requisitions.update(
        Uow.of(session, acting(session, by)), requisition_id=requisition.id, changes=what
    )


def decide(session: Session, verb: str, requisition: Requisition, by: str, **more: Any) -> Any:
    """One decision of any kind on what stands there."""
    facts: dict[str, Any] = {
        "requisition_id": requisition.id,
        "comment": "Because.",
    }
    if "digest" not in more:
        facts["digest"] = digest(session, requisition.id)
    return getattr(deciding, verb)(Uow.of(session, acting(session, by)), **(facts | more))


def end_roles(session: Session, *names: str) -> None:
    """Take every role from these people, now."""
    session.execute(
        text("UPDATE role_assignments SET valid_until = now() WHERE user_id = ANY(:ids)"),
        {"ids": [user_id(session, name) for name in names]},
    )


def finance_manager(session: Session) -> str:
    """The one of two whom the rule picks while nothing waits for either: the lowest id."""
    return min(
        ("group_finance_manager", "group_finance_manager_2"),
        key=lambda name: user_id(session, name),
    )
