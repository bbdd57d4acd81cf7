"""Role assignments with scope and validity. Giving and ending one takes two people.

The escalation approver of a company, who takes a step that nobody else can, is named the same way.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import (
    SCOPE_OF,
    Branch,
    Department,
    Membership,
    Region,
    Role,
    RoleAssignment,
    ScopeKind,
    User,
)
from pettycash.models.imprest import Fund
from pettycash.models.operations import Change
from pettycash.runtime import db, errors
from pettycash.services.access import people
from pettycash.services.foundation import company_settings, departures, duties
from pettycash.services.foundation.permissions import ADMINISTRATORS
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes


class RoleAssignmentNotFound(errors.NotFound):
    """There is no such role assignment in this company."""

    code = "role_assignment.not_found"


class InvalidRole(errors.RuleViolation):
    """The role, its scope, its dates or its holder do not fit together."""

    code = "role_assignment.invalid"


class RoleHeldAlready(errors.Conflict):
    """The person holds this role for this scope in that time already."""

    code = "role_assignment.held_already"


class RolesIncompatible(errors.Conflict):
    """One person can't hold two roles at one time that decide on each other's work."""

    code = "role_assignment.incompatible"


class RoleEnded(errors.Conflict):
    """This role assignment has ended already."""

    code = "role_assignment.ended"


def get(session: Session, *, assignment_id: UUID, lock: bool = False) -> RoleAssignment:
    """One role assignment of the company.

    Raises:
        RoleAssignmentNotFound: none such.
    """
    found = (
        db.lock(session, RoleAssignment, assignment_id)
        if lock
        else session.get(RoleAssignment, assignment_id)
    )
    if found is None:
        raise RoleAssignmentNotFound
    return found


def propose(
    uow: Uow,
    *,
    user_id: UUID,
    role: Role,
    scope_id: UUID | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    reason: str,
) -> Change:
    """Propose that somebody holds a role; a second administrator, or the cfo, makes it so.

    Raises:
        InvalidRole: scope, dates or person do not fit.
        AboutYourself: the role would be the actor's own.
        RoleHeldAlready: they hold it in that time.
        RolesIncompatible: they hold one then that excludes it.
    """
    check(
        uow.session,
        user_id=user_id,
        role=role,
        scope_id=scope_id,
        start=max(valid_from or uow.now, uow.now),
        end=valid_until,
    )
    return changes.propose(
        uow,
        kind="role_assignment",
        object_id=None,
        payload={
            "user_id": str(user_id),
            "role": role.value,
            "scope_id": str(scope_id) if scope_id else None,
            "valid_from": valid_from.isoformat() if valid_from else None,
            "valid_until": valid_until.isoformat() if valid_until else None,
        },
        reason=reason,
    )


def propose_end(
    uow: Uow, *, assignment_id: UUID, valid_until: datetime | None, reason: str
) -> Change:
    """Propose that a role ends, at an instant or as soon as it is confirmed.

    Raises:
        RoleAssignmentNotFound: none such.
        RoleEnded: it has ended, or ends before that.
    """
    assignment = get(uow.session, assignment_id=assignment_id)
    _check_can_end(assignment, max(valid_until or uow.now, uow.now))
    return changes.propose(
        uow,
        kind="role_end",
        object_id=assignment_id,
        payload={
            "user_id": str(assignment.user_id),
            "role": assignment.role.value,
            "valid_until": valid_until.isoformat() if valid_until else None,
        },
        reason=reason,
    )


PLACE_OF_SCOPE = {
    ScopeKind.DEPARTMENT: Department,
    ScopeKind.BRANCH: Branch,
    ScopeKind.REGION: Region,
    ScopeKind.FUND: Fund,
}


def check(
    session: Session,
    *,
    user_id: UUID,
    role: Role,
    scope_id: UUID | None,
    start: datetime,
    end: datetime | None = None,
) -> None:
    """Refuse a role that a person can't hold for this scope in this time.

    Raises:
        InvalidRole: scope, dates or person do not fit.
        RoleHeldAlready: they hold it in that time.
        RolesIncompatible: they hold one then that excludes it.
    """
    wrong: dict[str, list[str]] = {}
    person = session.execute(
        select(User.id)
        .join(Membership, Membership.user_id == User.id)
        .where(User.id == user_id, User.is_active, Membership.is_active)
    ).scalar_one_or_none()
    if person is None:
        wrong["user_id"] = ["There is no such active person."]
    kind = SCOPE_OF[role]
    place = PLACE_OF_SCOPE.get(kind)
    if place is None and scope_id is not None:
        wrong["scope_id"] = [f"The role {role.value} has the scope {kind.value}: name none."]
    if place is not None:
        unit: Any = None if scope_id is None else session.get(place, scope_id)
        if unit is None or not unit.is_active:
            wrong["scope_id"] = [f"The role {role.value} is held for an active {kind.value}."]
    if end is not None and end <= start:
        wrong["valid_until"] = ["It is not after the beginning."]
    if wrong:
        raise InvalidRole(errors=wrong)
    same_scope = (
        RoleAssignment.scope_id.is_(None)
        if scope_id is None
        else RoleAssignment.scope_id == scope_id
    )
    held = session.execute(
        select(RoleAssignment.id).where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.role == role,
            same_scope,
            *overlaps(start, end),
        )
    )
    if held.first() is not None:
        raise RoleHeldAlready
    check_compatible(session, user_id=user_id, role=role, start=start, end=end)


def check_compatible(
    session: Session, *, user_id: UUID, role: Role, start: datetime, end: datetime | None
) -> None:
    """Refuse a role to somebody who holds another one, in that time, that excludes it.

    Raises:
        RolesIncompatible: its detail names both.
    """
    held = session.execute(
        select(RoleAssignment.role)
        .where(RoleAssignment.user_id == user_id, *overlaps(start, end))
        .order_by(RoleAssignment.id)
    ).scalars()
    for other in held:
        if frozenset((role, other)) in duties.INCOMPATIBLE_ROLES:
            raise RolesIncompatible(
                f"One person can't hold {role} and {other} at one time.",
                errors={"role": [f"The person holds {other}."]},
            )


def overlaps(start: datetime, end: datetime | None) -> list[ColumnElement[bool]]:
    """Assignments that are in force at some time between two instants."""
    found = [or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > start)]
    if end is not None:
        found.append(RoleAssignment.valid_from < end)
    return found


def _check_can_end(assignment: RoleAssignment, end: datetime) -> None:
    if assignment.valid_until is not None and assignment.valid_until <= end:
        raise RoleEnded


def _assign(uow: Uow, change: Change) -> None:
    """Give a confirmed role, from the proposed instant or now if that has passed."""
    said = change.payload
    user_id, role = UUID(said["user_id"]), Role(said["role"])
    scope_id = UUID(said["scope_id"]) if said["scope_id"] else None
    start = max(_instant(said["valid_from"]) or uow.now, uow.now)
    end = _instant(said["valid_until"])
    assign(
        uow.session,
        user_id=user_id,
        role=role,
        scope_id=scope_id,
        start=start,
        end=end,
        proposed_by=change.proposed_by,
        confirmed_by=uow.actor.user_id,
    )


def assign(
    session: Session,
    *,
    user_id: UUID,
    role: Role,
    scope_id: UUID | None,
    start: datetime,
    end: datetime | None = None,
    proposed_by: UUID,
    confirmed_by: UUID,
) -> None:
    """Give a role that one person proposed and another confirmed.

    Raises:
        InvalidRole, RoleHeldAlready, RolesIncompatible: see `check`.
    """
    # One at a time per person: two confirmations of the same role must not miss each other.
    people.find(session, user_id=user_id, lock=True)
    check(session, user_id=user_id, role=role, scope_id=scope_id, start=start, end=end)
    session.add(
        RoleAssignment(
            company_id=session.info["scope"].company_id,
            user_id=user_id,
            role=role,
            scope_kind=SCOPE_OF[role],
            scope_id=scope_id,
            valid_from=start,
            valid_until=end,
            proposed_by=proposed_by,
            confirmed_by=confirmed_by,
        )
    )
    if end is not None:
        departures.enqueue(session, user_id=user_id, at=end)


def _end(uow: Uow, change: Change) -> None:
    """End a role, at the proposed instant or now if that has passed."""
    if change.object_id is None:
        raise RoleAssignmentNotFound
    assignment = get(uow.session, assignment_id=change.object_id, lock=True)
    end = max(_instant(change.payload["valid_until"]) or uow.now, uow.now)
    _check_can_end(assignment, end)
    # A role that has not begun is over before it begins: an empty time is not allowed.
    assignment.valid_until = max(end, assignment.valid_from + timedelta(microseconds=1))
    departures.enqueue(uow.session, user_id=assignment.user_id, at=assignment.valid_until)


def _read_escalation_approver(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    del now
    said = dict(proposal.payload)
    if proposal.object_id is not None or set(said) != {"user_id"}:
        raise company_settings.InvalidSetting(
            "An escalation approver is proposed by `user_id`, and null for none."
        )
    if said["user_id"] is not None:
        try:
            user_id = UUID(str(said["user_id"]))
        except ValueError as error:
            raise company_settings.InvalidSetting(errors={"user_id": ["Not a UUID."]}) from error
        company_settings.check_active_member(session, user_id=user_id, field="user_id")
        said["user_id"] = str(user_id)
    return changes.ChangeProposal(object_id=None, payload=said)


def _set_escalation_approver(uow: Uow, change: Change) -> None:
    said = change.payload["user_id"]
    before = company_settings.current(uow.session).escalation_approver_id
    if before is not None:
        departures.enqueue(uow.session, user_id=before)
    company_settings.set_escalation_approver(
        uow.session, user_id=UUID(said) if said else None, changed_by=uow.actor.user_id
    )


def _person_of(change: Change) -> UUID | None:
    said = change.payload.get("user_id")
    return UUID(said) if said else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


changes.register(
    "role_assignment",
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_assign,
    about=_person_of,
    alerts=True,
    benefits=True,
)
changes.register(
    "role_end",
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_end,
    about=_person_of,
    alerts=True,
)
changes.register(
    "escalation_approver",
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_set_escalation_approver,
    read=_read_escalation_approver,
    about=_person_of,
    alerts=True,
    benefits=True,
)
