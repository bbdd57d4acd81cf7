"""Companies, their units, their people, and how people sign in.

Company → region → branch; company → department, cost centre, position (domain.md §3).

Users, memberships and role assignments (domain.md §3).

A user is a person with one login; a membership places the person in a company; roles hang on the
membership. Every "who" in the business refers to a membership by (company_id, user_id).

Sessions, API keys, throttles and the security log (security.md rows 1-10, 19).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Base,
    CurrencyCode,
    Keyed,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)


class Company(Updated, Keyed):
    """The tenant. `code` is unique in the whole installation."""

    __tablename__ = "companies"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[CurrencyCode]
    is_active: Mapped[bool] = mapped_column(default=True)
    bootstrapped_at: Mapped[datetime | None]
    """When its first people and roles were set up without a second person: a recorded exception."""


class CompanySettings(Tenanted):
    """One version of a company's settings; the highest version counts."""

    __tablename__ = "company_settings"
    __table_args__ = (member("changed_by"), UniqueConstraint("company_id", "version"))

    version: Mapped[int]
    data: Mapped[dict[str, Any]]
    changed_by: Mapped[UUID | None]


class Region(Updated, Tenanted):
    """A group of branches."""

    __tablename__ = "regions"
    __table_args__ = (own_key(), UniqueConstraint("company_id", "code"))

    code: Mapped[str]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Branch(Updated, Tenanted):
    """A place where money is spent."""

    __tablename__ = "branches"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        within_company("region_id", "regions"),
        Index("ix_branches_region", "company_id", "region_id"),
    )

    code: Mapped[str]
    name: Mapped[str]
    region_id: Mapped[UUID]
    address: Mapped[str | None]
    is_head_office: Mapped[bool] = mapped_column(default=False, server_default=false())
    """True: its members raise requisitions of origin hq."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Department(Updated, Tenanted):
    """A department of the company, over all branches."""

    __tablename__ = "departments"
    __table_args__ = (own_key(), UniqueConstraint("company_id", "code"))

    code: Mapped[str]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class CostCenter(Updated, Tenanted):
    """Where a cost is charged to; may belong to a branch or a department."""

    __tablename__ = "cost_centers"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        within_company("branch_id", "branches"),
        within_company("department_id", "departments"),
    )

    code: Mapped[str]
    name: Mapped[str]
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Position(Updated, Tenanted):
    """A job title with a level."""

    __tablename__ = "positions"
    __table_args__ = (
        own_key(),
        UniqueConstraint("company_id", "code"),
        CheckConstraint("level >= 0", name="level"),
    )

    code: Mapped[str]
    title: Mapped[str]
    level: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Counter(Tenanted):
    """The last short number given out, per kind and year: REQ-2026-000123."""

    __tablename__ = "counters"
    __table_args__ = (UniqueConstraint("company_id", "kind", "year"),)

    kind: Mapped[str]
    year: Mapped[int]
    last: Mapped[int]


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


class SessionPurpose(StrEnum):
    """The purpose of a session."""

    FULL = "full"
    ENROLMENT = "enrolment"  # a role demands TOTP: only enrolling and signing out


class AuthSession(Tenanted):
    """One sign-in. Tokens are opaque; only their SHA-256 is kept. Refreshing rotates both."""

    __tablename__ = "auth_sessions"
    __table_args__ = (
        own_key(),
        member("user_id"),
        Index("ix_auth_sessions_user", "user_id"),
        Index("ix_auth_sessions_family", "family_id"),
    )

    user_id: Mapped[UUID]
    family_id: Mapped[UUID]
    """All rotations of one sign-in; reuse of an old refresh token revokes the family."""
    generation: Mapped[int] = mapped_column(server_default="0")
    """0 is the sign-in; each rotation adds one."""
    purpose: Mapped[SessionPurpose] = mapped_column(choice(SessionPurpose, "purpose"))
    access_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    refresh_digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    access_expires_at: Mapped[datetime]
    family_started_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """Absolute end of the family."""
    authenticated_at: Mapped[datetime]
    """When password (and second factor) were last given: step-up compares with it."""
    last_seen_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]


class ApiKey(Updated, Tenanted):
    """A machine client's key: it may raise, read and upload on behalf of users, never decide.

    One person makes it, a second one confirms it, and until then it opens nothing; both count as
    requesters of what it raises (control.md §1, §6).
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        own_key(),
        member("created_by"),
        member("confirmed_by"),
        member("revoked_by"),
        within_company("branch_id", "branches"),
        within_company("department_id", "departments"),
        UniqueConstraint("company_id", "name"),
        CheckConstraint("confirmed_by <> created_by", name="two_people"),
        CheckConstraint("(confirmed_by IS NULL) = (confirmed_at IS NULL)", name="confirmed"),
        CheckConstraint("branch_id IS NULL OR department_id IS NULL", name="one_unit"),
    )

    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]]
    """Of raise, read, upload; or report alone."""
    branch_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    """The unit whose people it may act for; neither: everybody's."""
    expires_at: Mapped[datetime]
    created_by: Mapped[UUID]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SignInLink(Tenanted):
    """A link with which a person sets their own password, once; nobody else ever knows one."""

    __tablename__ = "sign_in_links"
    __table_args__ = (member("user_id"), member("made_by"))

    user_id: Mapped[UUID]
    made_by: Mapped[UUID | None]
    """Null: whoever runs the host."""
    digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of the token of the newest message; null before one was made."""
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class Throttle(Base):
    """Counts of attempts per subject, in PostgreSQL so that losing Redis opens no door."""

    __tablename__ = "throttles"

    subject: Mapped[str] = mapped_column(primary_key=True)
    """The subject of the limit, such as login:account:<digest> or otp:person:<id>."""
    window_started_at: Mapped[datetime]
    attempts: Mapped[int]
    consecutive_failures: Mapped[int] = mapped_column(default=0)
    blocked_until: Mapped[datetime | None]


class SecurityEvent(Keyed):
    """Append-only: authentications, refusals, setting changes, auditors' reads."""

    __tablename__ = "security_events"
    __table_args__ = (
        Index("ix_security_events_company", "company_id", "id"),
        Index("ix_security_events_event", "company_id", "event", "id"),
        Index("ix_security_events_user", "company_id", "user_id", "id"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    company_id: Mapped[UUID | None] = mapped_column(ForeignKey("companies.id", ondelete="RESTRICT"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    event: Mapped[str]
    outcome: Mapped[str]
    detail: Mapped[dict[str, Any]]
    ip_address: Mapped[str | None]
    request_id: Mapped[str | None]
