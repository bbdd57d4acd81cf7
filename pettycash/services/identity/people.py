"""From a person and a company to the actor that services know."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pettycash.models.organisation import Company
from pettycash.models.people import MFA_ROLES, Membership, Role, RoleAssignment, User
from pettycash.services.actors import Actor, HeldRole


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a request comes from, as audit rows keep it."""

    ip_address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An active person in an active company."""

    user: User
    membership: Membership
    company: Company
    roles: tuple[HeldRole, ...]

    @property
    def must_have_totp(self) -> bool:
        """Whether a role that is held demands a second factor (security.md row 4)."""
        return not MFA_ROLES.isdisjoint(held.role for held in self.roles)

    def has(self, *roles: Role) -> bool:
        """Whether one of these roles is held."""
        return any(held.role in roles for held in self.roles)

    def actor(
        self,
        origin: Origin,
        *,
        session_id: UUID | None = None,
        client_id: UUID | None = None,
        client_scopes: frozenset[str] = frozenset(),
    ) -> Actor:
        """The actor for services."""
        return Actor(
            user_id=self.user.id,
            company_id=self.company.id,
            roles=self.roles,
            session_id=session_id,
            client_id=client_id,
            client_scopes=client_scopes,
            ip_address=origin.ip_address,
            user_agent=origin.user_agent,
            branch_id=self.membership.branch_id,
            department_id=self.membership.department_id,
            region_id=self.membership.region_id,
        )


def place(session: Session, *, user_id: UUID, company_id: UUID, now: datetime) -> Placed | None:
    """The person in that company with the roles that are live now (system role, any company).

    None where person, membership or company is unknown or not active.
    """
    row = session.execute(
        select(User, Membership, Company)
        .join(Membership, Membership.user_id == User.id)
        .join(Company, Company.id == Membership.company_id)
        .where(
            User.id == user_id,
            Company.id == company_id,
            User.is_active,
            Membership.is_active,
            Company.is_active,
        )
    ).one_or_none()
    if row is None:
        return None
    user, membership, company = row
    assignments = session.execute(
        select(RoleAssignment.role, RoleAssignment.scope_kind, RoleAssignment.scope_id)
        .where(
            RoleAssignment.company_id == company_id,
            RoleAssignment.user_id == user_id,
            RoleAssignment.valid_from <= now,
            or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
        )
        .order_by(RoleAssignment.id)
    )
    roles = tuple(HeldRole(role, kind, scope_id) for role, kind, scope_id in assignments)
    return Placed(user=user, membership=membership, company=company, roles=roles)


def companies_of(session: Session, *, user_id: UUID) -> list[Company]:
    """The active companies in which a person is active (system role)."""
    return list(
        session.execute(
            select(Company)
            .join(Membership, Membership.company_id == Company.id)
            .where(Membership.user_id == user_id, Membership.is_active, Company.is_active)
            .order_by(Company.code)
        ).scalars()
    )
