"""From a person and a company to the actor that services know."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from pettycash.models.access import (
    MFA_ROLES,
    Company,
    CompanySettings,
    Membership,
    Role,
    RoleAssignment,
    ScopeKind,
    User,
)
from pettycash.services.foundation.actors import Actor, HeldRole


@dataclass(frozen=True, kw_only=True)
class ClientInfo:
    """Address and agent of a client, as audit rows keep them."""

    ip_address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, kw_only=True)
class ActiveMember:
    """An active person in an active company."""

    user: User
    membership: Membership
    company: Company
    roles: tuple[HeldRole, ...]
    is_escalation_approver: bool = False

    @property
    def must_have_totp(self) -> bool:
        """Whether a role that is held demands a second factor (security.md row 4)."""
        return not MFA_ROLES.isdisjoint(held.role for held in self.roles)

    def has(self, *roles: Role) -> bool:
        """Whether one of these roles is held."""
        return any(held.role in roles for held in self.roles)

    def actor(
        self,
        client_info: ClientInfo,
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
            ip_address=client_info.ip_address,
            user_agent=client_info.user_agent,
            branch_id=self.membership.branch_id,
            department_id=self.membership.department_id,
            region_id=self.membership.region_id,
            is_escalation_approver=self.is_escalation_approver,
        )


def active_members(*conditions: ColumnElement[bool], at: ColumnElement[datetime]) -> Select[Any]:
    """Select active people in active companies, with the roles that are live at an instant, and
    the company's escalation approver.

    `read_placed` reads its rows. One statement, since every request begins with it.
    """
    live = (
        select(
            func.jsonb_agg(
                aggregate_order_by(
                    func.jsonb_build_array(
                        RoleAssignment.role, RoleAssignment.scope_kind, RoleAssignment.scope_id
                    ),
                    RoleAssignment.id,
                )
            )
        )
        .where(
            RoleAssignment.company_id == Company.id,
            RoleAssignment.user_id == User.id,
            RoleAssignment.valid_from <= at,
            or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > at),
        )
        .correlate(Company, User)
        .scalar_subquery()
    )
    named = (
        select(CompanySettings.data["escalation_approver_id"].astext)
        .where(CompanySettings.company_id == Company.id)
        .order_by(CompanySettings.version.desc())
        .limit(1)
        .correlate(Company)
        .scalar_subquery()
    )
    return (
        select(User, Membership, Company, live.label("roles"), named.label("escalation_approver"))
        .join(Membership, Membership.user_id == User.id)
        .join(Company, Company.id == Membership.company_id)
        .where(User.is_active, Membership.is_active, Company.is_active, *conditions)
    )


ACTIVE_MEMBER = active_members(
    User.id == bindparam("user_id"), Company.id == bindparam("company_id"), at=bindparam("at")
)


def read_member(row: Row[Any]) -> ActiveMember:
    """The person of one row of `placed_where`."""
    roles = tuple(
        HeldRole(Role(role), ScopeKind(kind), None if scope_id is None else UUID(scope_id))
        for role, kind, scope_id in row.roles or ()
    )
    return ActiveMember(
        user=row.User,
        membership=row.Membership,
        company=row.Company,
        roles=roles,
        is_escalation_approver=row.escalation_approver == str(row.User.id),
    )


def active_member(
    session: Session, *, user_id: UUID, company_id: UUID, now: datetime
) -> ActiveMember | None:
    """The person in that company with the roles that are live now (system role, any company).

    None where person, membership or company is unknown or not active.
    """
    row = session.execute(
        ACTIVE_MEMBER, {"user_id": user_id, "company_id": company_id, "at": now}
    ).one_or_none()
    return None if row is None else read_member(row)


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
