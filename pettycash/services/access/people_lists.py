"""Lists of the people of a company and of the roles that they hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from pettycash.models.access import Membership, Position, Role, RoleAssignment, User
from pettycash.runtime.sanitising import mask_phone
from pettycash.services.access import people
from pettycash.services.access.identity import sessions, usernames
from pettycash.services.foundation.listings import (
    Condition,
    Filter,
    Find,
    Listing,
    flag,
    many,
    since,
)
from pettycash.services.foundation.uow import Uow

ROLE_ALIASES = {"fp&a": Role.FPA}
LABELS = {
    Role.GROUP_FINANCE_MANAGER: "Group finance manager",
    Role.CFO: "CFO",
    Role.FPA: "FP&A",
    Role.CEO: "CEO",
}
CENTRALISED = frozenset({Role.GROUP_FINANCE_MANAGER, Role.CFO, Role.CEO})
"""Roles that approve for the whole company."""


def label(role: Role) -> str:
    """A role in words for people."""
    return LABELS.get(role, role.value.replace("_", " ").capitalize())


def is_live(now: datetime) -> Condition:
    """Role assignments that have begun and not ended."""
    ends = RoleAssignment.valid_until
    return and_(RoleAssignment.valid_from <= now, or_(ends.is_(None), ends > now))


def to_response(uow: Uow, rows: Sequence[tuple[User, Membership]]) -> list[dict[str, Any]]:
    """People as they are answered; roles and titles of all of them in one query each."""
    held: dict[UUID, list[RoleAssignment]] = {}
    for each in uow.session.execute(
        select(RoleAssignment)
        .where(RoleAssignment.user_id.in_([user.id for user, _ in rows]), is_live(uow.now))
        .order_by(RoleAssignment.id)
    ).scalars():
        held.setdefault(each.user_id, []).append(each)
    wanted = {member.position_id for _, member in rows} - {None}
    named = select(Position.id, Position.title).where(Position.id.in_(wanted))
    titles = dict(uow.session.execute(named).all())
    sees_phones = uow.actor.has(Role.ADMIN)
    return [
        _person(user, member, held.get(user.id, []), titles, sees_phones=sees_phones)
        for user, member in rows
    ]


def _person(
    user: User,
    member: Membership,
    held: list[RoleAssignment],
    titles: Mapping[UUID, str],
    *,
    sees_phones: bool,
) -> dict[str, Any]:
    phone = member.phone
    return {
        "id": user.id,
        "company_id": member.company_id,
        "username": user.username,
        "display_name": user.display_name,
        "email": user.email,
        "phone": phone if sees_phones or not phone else mask_phone(phone),
        **{name: getattr(member, name) for name in people.PLACES},
        "position_title": titles.get(member.position_id) if member.position_id else None,
        "is_active": member.is_active and user.is_active,
        "mfa_enrolled": user.totp_enrolled_at is not None,
        "must_change_password": sessions.has_temporary_password(user.password_changed_at),
        "is_centralized_approver": any(each.role in CENTRALISED for each in held),
        "roles": [
            {
                "role": each.role,
                "role_display": label(each.role),
                "scope_kind": each.scope_kind,
                "scope_id": each.scope_id,
            }
            for each in held
        ],
        "created_at": member.created_at,
    }


def _holds(roles: Sequence[Role], uow: Uow) -> Condition:
    holders = select(RoleAssignment.user_id).where(RoleAssignment.role.in_(roles), is_live(uow.now))
    return User.id.in_(holders)


USERS = Listing(
    name="users.list",
    query=select(User, Membership).join(Membership, Membership.user_id == User.id),
    filters={
        "username": Filter(
            kind=str,
            longest=64,
            where=lambda value, _uow: User.username == usernames.spelling(value),
        ),
        **{
            name: many(getattr(Membership, name))
            for name in ("region_id", "branch_id", "department_id")
        },
        "role": Filter(kind=Role, several=True, aliases=ROLE_ALIASES, where=_holds),
        "is_active": flag(and_(Membership.is_active, User.is_active)),
        "updated_since": since(func.greatest(Membership.updated_at, User.updated_at)),
    },
    find=Find(
        words=(User.username, User.display_name, User.email),
        text="Words of names and e-mail, in any case.",
    ),
    orders={"username": (User.username, User.id), "newest": (User.id.desc(),)},
    show=to_response,
    columns=("username", "display_name", "email", "position_title", "is_active", "mfa_enrolled"),
)

ROLE_ASSIGNMENTS = Listing(
    name="role_assignments.list",
    query=select(RoleAssignment).join(User, User.id == RoleAssignment.user_id),
    filters={
        "user_id": many(RoleAssignment.user_id),
        "role": many(RoleAssignment.role, aliases=ROLE_ALIASES),
        "scope_id": many(RoleAssignment.scope_id),
        "is_live": flag(is_live, text="Begun and not ended, or the opposite."),
        "updated_since": since(RoleAssignment.updated_at),
    },
    find=Find(words=(User.username, User.display_name), text="Words of names, in any case."),
    orders={"newest": (RoleAssignment.id.desc(),), "oldest": (RoleAssignment.id,)},
    columns=(
        "user_id",
        "role",
        "scope_kind",
        "scope_id",
        "valid_from",
        "valid_until",
        "proposed_by",
        "confirmed_by",
    ),
    people=("user_id", "proposed_by", "confirmed_by"),
)
