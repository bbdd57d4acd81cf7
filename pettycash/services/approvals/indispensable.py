"""Warnings of what nobody else could do once somebody left, or lost a role; nothing is refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import (
    SCOPE_OF,
    Branch,
    Department,
    Region,
    Role,
    RoleAssignment,
    ScopeKind,
)
from pettycash.models.approvals import ApprovalThreshold
from pettycash.models.imprest import Fund
from pettycash.models.operations import Change
from pettycash.services.approvals import thresholds
from pettycash.services.foundation import company_settings, requesters
from pettycash.services.foundation.duties import APPROVING_ROLES
from pettycash.services.foundation.live_roles import live_assignments
from pettycash.services.foundation.permissions import REQUESTERS

LAST_OF_ROLE = "leaving.last_of_role"
LAST_APPROVER = "leaving.last_approver"
LAST_CUSTODIAN = "leaving.last_custodian"
LAST_SECOND = "leaving.last_second"
ESCALATION_APPROVER = "leaving.escalation_approver"
RAISED = "leaving.raised"

BY_TWO = frozenset({Role.ADMIN, Role.TREASURY})
"""One of them proposes or makes, another one confirms or releases."""

PLACES: Mapping[ScopeKind, Any] = {
    ScopeKind.DEPARTMENT: Department,
    ScopeKind.BRANCH: Branch,
    ScopeKind.REGION: Region,
    ScopeKind.FUND: Fund,
}


@dataclass(frozen=True, kw_only=True)
class Missed:
    """One thing that only they could do, or that waits for them."""

    code: str
    detail: str
    ids: tuple[UUID, ...] = ()


def of_person(session: Session, *, user_id: UUID, now: datetime) -> list[Missed]:
    """List what nobody else could do if somebody left now, or since they did."""
    held = (
        session.execute(
            select(RoleAssignment)
            .where(
                RoleAssignment.user_id == user_id,
                RoleAssignment.valid_from <= now,
                or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
            )
            .order_by(RoleAssignment.id)
        )
        .scalars()
        .all()
    )
    staying = [each for each in _live(session, at=now) if each.user_id != user_id]
    found = _of_roles(session, held, staying, at=now)
    if company_settings.current(session).escalation_approver_id == user_id:
        found.append(
            Missed(
                code=ESCALATION_APPROVER,
                detail="They are the company's escalation approver: name another one.",
                ids=(user_id,),
            )
        )
    return [*found, *_raised(session, user_id)]


def of_change(session: Session, change: Change, *, now: datetime) -> list[Missed] | None:
    """List what nobody else could do once a role ends as proposed; None: the change ends none."""
    said = change.payload
    if change.kind == "role_end" and change.object_id is not None:
        ending = session.get_one(RoleAssignment, change.object_id)
        end = datetime.fromisoformat(said["valid_until"]) if said["valid_until"] else now
        return of_role(session, ending, at=max(end, now))
    if change.kind == "role_assignment" and said["valid_until"]:
        # It has not been given, or has, as one that holds until then: nobody's is lost by it.
        planned = RoleAssignment(
            user_id=UUID(said["user_id"]),
            role=Role(said["role"]),
            scope_id=UUID(said["scope_id"]) if said["scope_id"] else None,
        )
        return of_role(session, planned, at=datetime.fromisoformat(said["valid_until"]))
    return None


def of_role(session: Session, ending: RoleAssignment, *, at: datetime) -> list[Missed]:
    """List what nobody else could do once a role ended, at an instant."""
    staying = [each for each in _live(session, at=at) if each.id != ending.id]
    found = _of_roles(session, [ending], staying, at=at)
    answers = any(each.user_id == ending.user_id and each.role in REQUESTERS for each in staying)
    return found if answers else [*found, *_raised(session, ending.user_id)]


def _live(session: Session, *, at: datetime) -> Sequence[RoleAssignment]:
    return session.execute(live_assignments(at)).scalars().all()


def _of_roles(
    session: Session,
    ending: Iterable[RoleAssignment],
    staying: Sequence[RoleAssignment],
    *,
    at: datetime,
) -> list[Missed]:
    found = []
    for each in ending:
        others = {
            other.user_id
            for other in staying
            if other.role is each.role and other.scope_id == each.scope_id
        }
        if each.role is Role.STAFF or len(others) > 1:
            continue
        if not others:
            found.append(_last(session, each, at=at))
        elif each.role in BY_TWO:
            found.append(
                Missed(
                    code=LAST_SECOND,
                    detail=f"Only one {each.role} is left, and some things take two.",
                    ids=tuple(others),
                )
            )
    return found


def _last(session: Session, ending: RoleAssignment, *, at: datetime) -> Missed:
    role = ending.role
    where = ""
    ids: tuple[UUID, ...] = ()
    if ending.scope_id is not None:
        ids = (ending.scope_id,)
        where = f" of {session.get_one(PLACES[SCOPE_OF[role]], ending.scope_id).name}"
    if role is Role.CUSTODIAN:
        return Missed(
            code=LAST_CUSTODIAN,
            detail=f"Nobody else keeps the fund{where}: name another custodian.",
            ids=ids,
        )
    nobody = f"Nobody else is {role}{where}"
    if role not in APPROVING_ROLES:
        return Missed(code=LAST_OF_ROLE, detail=f"{nobody}.", ids=ids)
    tiers = session.execute(
        select(ApprovalThreshold.id, ApprovalThreshold.name)
        .where(thresholds.live(at), ApprovalThreshold.roles_sequence.contains([role.value]))
        .order_by(ApprovalThreshold.id)
    ).all()
    named = f" {', '.join(name for _, name in tiers)} ask for one:" if tiers else ""
    return Missed(
        code=LAST_APPROVER,
        detail=f"{nobody}:{named} their steps go to the next higher rank.",
        ids=(*ids, *(threshold_id for threshold_id, _ in tiers)),
    )


def _raised(session: Session, user_id: UUID) -> list[Missed]:
    open_ones = requesters.raised_by(session, user_id)
    if not open_ones:
        return []
    numbers = ", ".join(open_ones.values())
    return [
        Missed(
            code=RAISED,
            detail=f"Their manager cancels or adopts what they raised: {numbers}.",
            ids=tuple(open_ones),
        )
    ]
