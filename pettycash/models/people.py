"""Users, memberships and role assignments (domain.md §3).

A user is a person with one login; a membership places the person in a company; roles hang on the
membership. Every "who" in the business refers to a membership by (company_id, user_id).
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Keyed,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)


class Role(StrEnum):
    """A role: the operations that a person may do, within the scope of the assignment."""

    STAFF = "staff"
    DEPARTMENT_HEAD = "department_head"
    BRANCH_MANAGER = "branch_manager"
    REGIONAL_MANAGER = "regional_manager"
    GROUP_FINANCE_MANAGER = "group_finance_manager"
    TREASURY = "treasury"
    CUSTODIAN = "custodian"
    CFO = "cfo"
    FPA = "fpa"
    CEO = "ceo"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


class ScopeKind(StrEnum):
    """How far a role assignment reaches."""

    SELF = "self"
    DEPARTMENT = "department"
    BRANCH = "branch"
    REGION = "region"
    FUND = "fund"
    COMPANY = "company"


SCOPE_OF: dict[Role, ScopeKind] = {
    Role.STAFF: ScopeKind.SELF,
    Role.DEPARTMENT_HEAD: ScopeKind.DEPARTMENT,
    Role.BRANCH_MANAGER: ScopeKind.BRANCH,
    Role.REGIONAL_MANAGER: ScopeKind.REGION,
    Role.CUSTODIAN: ScopeKind.FUND,
    Role.GROUP_FINANCE_MANAGER: ScopeKind.COMPANY,
    Role.TREASURY: ScopeKind.COMPANY,
    Role.CFO: ScopeKind.COMPANY,
    Role.FPA: ScopeKind.COMPANY,
    Role.CEO: ScopeKind.COMPANY,
    Role.OPERATOR: ScopeKind.COMPANY,
    Role.AUDITOR: ScopeKind.COMPANY,
    Role.ADMIN: ScopeKind.COMPANY,
}
"""The one kind of scope that each role has (table of domain.md §3)."""

MFA_ROLES = frozenset({Role.TREASURY, Role.CUSTODIAN, Role.CFO, Role.ADMIN})
"""Roles that must have a TOTP app (security.md row 4)."""


class User(Updated, Keyed):
    """A person with one login, in any number of companies."""

    __tablename__ = "users"
    # The application role may insert a person before it may see them (no membership yet), so the
    # insert must not come back with RETURNING.
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - the base declares its type

    username: Mapped[str] = mapped_column(unique=True)
    """Lower case; unique in the whole installation."""
    display_name: Mapped[str]
    email: Mapped[str]
    password_hash: Mapped[str]
    password_changed_at: Mapped[datetime]
    """By its owner; the epoch where somebody else gave it, so that it has to be changed first."""
    is_active: Mapped[bool] = mapped_column(default=True)
    totp_seed: Mapped[str | None]
    """Encrypted (MultiFernet), bound to the user's id."""
    totp_enrolled_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]
    """The last 30-second step whose code was taken: each code counts once."""
    version: Mapped[int] = mapped_column(default=1)


class Membership(Updated, Tenanted):
    """Where a person works in a company."""

    __tablename__ = "memberships"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "user_id"),
        within_company("region_id", "regions"),
        within_company("branch_id", "branches"),
        within_company("department_id", "departments"),
        within_company("cost_center_id", "cost_centers"),
        within_company("position_id", "positions"),
        Index("ix_memberships_user", "user_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    region_id: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    cost_center_id: Mapped[UUID | None]
    position_id: Mapped[UUID | None]
    phone: Mapped[str | None]
    """E.164."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class ContactKind(StrEnum):
    """How a member is reached."""

    PHONE = "phone"
    EMAIL = "email"


class Contact(Tenanted):
    """A phone or e-mail of a member and when it was theirs; triggers write it, nobody else does.

    Money that goes there goes to them, whoever is named as payee.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        member("user_id"),
        CheckConstraint("held_until IS NULL OR held_until >= held_from", name="held"),
        Index("ix_contacts_value", "company_id", "value"),
        Index(
            "uq_contacts_held",
            "company_id",
            "user_id",
            "kind",
            unique=True,
            postgresql_where="held_until IS NULL",
        ),
        Index("ix_contacts_user", "user_id", "kind"),
    )

    user_id: Mapped[UUID]
    kind: Mapped[ContactKind] = mapped_column(choice(ContactKind, "kind"))
    value: Mapped[str]
    """Lower case; a phone is digits from the country code on, as rails spell it."""
    held_from: Mapped[datetime]
    held_until: Mapped[datetime | None]


class RoleAssignment(Updated, Tenanted):
    """A role of a member for a time: two people gave it, or it is of a company's beginning."""

    __tablename__ = "role_assignments"
    __table_args__ = (
        own_key(),
        member("user_id"),
        member("proposed_by"),
        member("confirmed_by"),
        CheckConstraint("(scope_kind IN ('self', 'company')) = (scope_id IS NULL)", name="scope"),
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="validity"),
        CheckConstraint(
            "is_bootstrap OR (proposed_by IS NOT NULL AND confirmed_by IS NOT NULL"
            " AND proposed_by <> confirmed_by)",
            name="two_people",
        ),
        Index("ix_role_assignments_user", "company_id", "user_id"),
        Index("ix_role_assignments_role", "company_id", "role", "scope_id"),
    )

    user_id: Mapped[UUID]
    role: Mapped[Role] = mapped_column(choice(Role, "role"))
    scope_kind: Mapped[ScopeKind] = mapped_column(choice(ScopeKind, "scope_kind"))
    scope_id: Mapped[UUID | None]
    """The department, branch, region or fund; null for self and company."""
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    is_bootstrap: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Given at the beginning of the company, when there was nobody to propose and confirm."""
    proposed_by: Mapped[UUID | None]
    """Null only at the bootstrap, as is who confirmed."""
    confirmed_by: Mapped[UUID | None]
