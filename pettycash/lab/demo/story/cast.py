"""The personas of the demo as they act in its story, each loaded once."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, RoleAssignment, User
from pettycash.services.foundation.actors import Actor, HeldRole


class Cast:
    """Everybody of one company, by username."""

    def __init__(self, session: Session) -> None:
        roles: dict[UUID, list[HeldRole]] = {}
        for each in session.execute(select(RoleAssignment)).scalars():
            held = HeldRole(each.role, each.scope_kind, each.scope_id)
            roles.setdefault(each.user_id, []).append(held)
        self._actors: dict[str, Actor] = {}
        self._names: dict[UUID, str] = {}
        people = select(Membership, User.username).join(User, User.id == Membership.user_id)
        for member, name in session.execute(people):
            self._names[member.user_id] = name
            self._actors[name] = Actor(
                user_id=member.user_id,
                company_id=member.company_id,
                roles=tuple(roles.get(member.user_id, ())),
                branch_id=member.branch_id,
                department_id=member.department_id,
                region_id=member.region_id,
            )

    def actor(self, name: str) -> Actor:
        """A persona as the API would let them act."""
        return self._actors[name]

    def name(self, user_id: UUID) -> str:
        """The username of a person."""
        return self._names[user_id]
