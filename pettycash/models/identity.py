"""Sessions, API keys, throttles and the security log (security.md rows 1-10, 19)."""

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
)
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    Base,
    Keyed,
    Tenanted,
    Updated,
    choice,
    member,
    own_key,
    within_company,
)


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
    refresh_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
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
