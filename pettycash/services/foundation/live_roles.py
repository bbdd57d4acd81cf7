"""The roles that people hold now: what scope, resolution and segregation all ask."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, Role, RoleAssignment, User


def live_role(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Assignments in force: begun, not ended, of a person who is active here and may sign in."""
    return and_(
        RoleAssignment.valid_from <= now,
        or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
        Membership.is_active,
        User.is_active,
    )


def live_assignments(now: datetime | ColumnElement[datetime]) -> Select[RoleAssignment]:
    """Select the assignments in force, oldest first."""
    return (
        select(RoleAssignment)
        .join(
            Membership,
            and_(
                Membership.company_id == RoleAssignment.company_id,
                Membership.user_id == RoleAssignment.user_id,
            ),
        )
        .join(User, User.id == RoleAssignment.user_id)
        .where(live_role(now))
        .order_by(RoleAssignment.id)
    )


def holders_of(session: Session, *roles: Role, now: datetime) -> frozenset[UUID]:
    """Everybody who holds one of these roles."""
    found = session.execute(live_assignments(now).where(RoleAssignment.role.in_(roles)))
    return frozenset(each.user_id for each in found.scalars())
