"""Actors and ids of the seeded organisation."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import SCOPE_OF, Company, Membership, Role, RoleAssignment, User
from pettycash.runtime import db
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.actors import Actor, HeldRole


def company_id(code: str) -> UUID:
    """The id of a seeded company, DEMO or OTHER."""
    with db.system_transaction() as session:
        return session.execute(select(Company.id).where(Company.code == code)).scalar_one()


def user_id(session: Session, name: str) -> UUID:
    """The id of a persona of the company in scope."""
    return session.execute(select(User.id).where(User.username == name)).scalar_one()


def acting(session: Session, name: str, *also: Role) -> Actor:
    """A persona as the API would let them act; `also` adds roles without an assignment."""
    found = session.execute(
        select(Membership, RoleAssignment)
        .join(User, User.id == Membership.user_id)
        .outerjoin(RoleAssignment, RoleAssignment.user_id == Membership.user_id)
        .where(User.username == name)
    ).all()
    member = found[0].Membership
    roles = [each.RoleAssignment for each in found if each.RoleAssignment is not None]
    held = [HeldRole(each.role, each.scope_kind, each.scope_id) for each in roles]
    held.extend(HeldRole(role, SCOPE_OF[role]) for role in also)
    return Actor(
        user_id=member.user_id,
        company_id=member.company_id,
        roles=tuple(held),
        branch_id=member.branch_id,
        department_id=member.department_id,
        region_id=member.region_id,
        is_escalation_approver=member.user_id
        == company_settings.current(session).escalation_approver_id,
    )
