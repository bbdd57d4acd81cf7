"""Sessions: opaque tokens, rotation with reuse detection, idle and absolute time-outs.

A sign-in begins a *family*; each refresh adds a row to it and retires the one before. A refresh
token that comes again at once gets what it got before: an answer was lost, or two tabs asked. Later
it was stolen, from one side or the other, and the family ends.
Sources: security.md rows 9 and 10.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from pettycash.models.access import AuthSession, Company, Role, SessionPurpose, User
from pettycash.models.base import new_id
from pettycash.runtime import db, errors, settings
from pettycash.services.access.identity import people
from pettycash.services.access.identity.people import ActiveMember, ClientInfo
from pettycash.services.foundation import encryption, security_log

GIVEN = datetime.fromtimestamp(0, UTC)
"""`password_changed_at` of a password that its owner has not chosen yet: somebody gave it."""

REPEATS_WITHIN = timedelta(seconds=10)
"""How long after its rotation a refresh token gets the same successors again."""

SEEN_EVERY = timedelta(seconds=60)
"""How exactly `last_seen_at` is kept: not every read need be a write."""


class SessionEnded(errors.NotAuthenticated):
    """The session has ended, or there never was one; sign in again."""

    code = "auth.session_ended"


class SessionNotFound(errors.NotFound):
    """You have no such session."""

    code = "session.not_found"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens that a client is given, once."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    """Seconds until the access token ends."""
    purpose: SessionPurpose


@dataclass(frozen=True, kw_only=True)
class Authenticated:
    """A live session and whose it is."""

    auth: AuthSession
    member: ActiveMember
    at: datetime
    """PostgreSQL's clock when it was asked."""

    @property
    def is_stale(self) -> bool:
        """Whether `last_seen_at` is so old that it should be written again."""
        return self.auth.last_seen_at < self.at - SEEN_EVERY


def start(
    session: Session,
    *,
    member: ActiveMember,
    client_info: ClientInfo,
    refreshable: bool = True,
    now: datetime,
) -> Tokens:
    """Begin a family (system role): 12 hours at most, 8 for treasury.

    A browser's session is not refreshable: two tabs would take each other's refresh for a theft.
    Its access token lasts as long as the family, unless it idles.
    """
    limits = settings.current()
    hours = limits.session_hours_treasury if member.has(Role.TREASURY) else limits.session_hours
    return _issue(
        session,
        encryption.new_token("at"),
        encryption.new_token("rt") if refreshable else None,
        member=member,
        family_id=new_id(),
        generation=0,
        family_started_at=now,
        ends_at=now + timedelta(hours=hours),
        authenticated_at=now,
        client_info=client_info,
        now=now,
    )


def _issue(
    session: Session,
    access: str,
    refresh: str | None,
    *,
    member: ActiveMember,
    family_id: UUID,
    generation: int,
    family_started_at: datetime,
    ends_at: datetime,
    authenticated_at: datetime,
    client_info: ClientInfo,
    now: datetime,
) -> Tokens:
    access_ends = ends_at
    if refresh is not None:
        access_ends = min(now + timedelta(minutes=settings.current().access_token_minutes), ends_at)
    purpose = purpose_of(member)
    session.add(
        AuthSession(
            company_id=member.company.id,
            user_id=member.user.id,
            family_id=family_id,
            generation=generation,
            purpose=purpose,
            access_digest=encryption.token_digest(access),
            refresh_digest=None if refresh is None else encryption.token_digest(refresh),
            access_expires_at=access_ends,
            family_started_at=family_started_at,
            ends_at=ends_at,
            authenticated_at=authenticated_at,
            last_seen_at=now,
            ip_address=client_info.ip_address,
            user_agent=(client_info.user_agent or "")[:400] or None,
        )
    )
    return Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_in=int((access_ends - now).total_seconds()),
        purpose=purpose,
    )


def purpose_of(member: ActiveMember) -> SessionPurpose:
    """The purpose of a session of this person now: roles and passwords change under it."""
    lacks_totp = member.must_have_totp and member.user.totp_enrolled_at is None
    if lacks_totp or has_temporary_password(member.user.password_changed_at):
        return SessionPurpose.ENROLMENT
    return SessionPurpose.FULL


def has_temporary_password(password_changed_at: datetime) -> bool:
    """Whether its owner has not chosen it."""
    return password_changed_at <= GIVEN


SIGNED_IN = (
    people.active_members(AuthSession.access_digest == bindparam("access_digest"), at=db.instant())
    .join(AuthSession, (AuthSession.user_id == User.id) & (AuthSession.company_id == Company.id))
    .add_columns(AuthSession, db.instant().label("at"))
    .execution_options(**db.PREPARED)
)
"""Built once: every request runs it."""


def authenticate(session: Session, *, access_token: str) -> Authenticated:
    """Authenticate an access token in one statement (system role, `db.system_autocommit`).

    Nothing is kept between two calls: what was revoked, rotated or taken from a person a
    moment ago does not open the door any more. The caller has `saw` written where `is_stale`.

    Raises:
        SessionEnded: unknown, rotated, revoked, expired, idle too long, or nobody's any more.
    """
    row = session.execute(
        SIGNED_IN, {"access_digest": encryption.token_digest(access_token)} | db.shift()
    ).one_or_none()
    if row is None:
        raise SessionEnded
    auth, now = row.AuthSession, row.at
    if not _lives(auth, now) or auth.access_expires_at <= now:
        raise SessionEnded
    return Authenticated(auth=auth, member=people.read_member(row), at=now)


def saw(session: Session, *, session_id: UUID, now: datetime) -> None:
    """Record that a session is in use (system role)."""
    session.execute(
        update(AuthSession).where(AuthSession.id == session_id).values(last_seen_at=now)
    )


def _lives(auth: AuthSession, now: datetime) -> bool:
    idle = timedelta(minutes=settings.current().session_idle_minutes)
    return (
        auth.revoked_at is None
        and auth.rotated_at is None
        and auth.ends_at > now
        and auth.last_seen_at > now - idle
    )


def refresh(
    session: Session, *, refresh_token: str, client_info: ClientInfo, now: datetime
) -> Tokens | SessionEnded:
    """Rotate both tokens (system role); the same token at once again gets the same ones.

    A refusal is returned, not raised: the end of a family must be committed.
    """
    query = select(AuthSession).where(
        AuthSession.refresh_digest == encryption.token_digest(refresh_token)
    )
    known = session.execute(query).scalar_one_or_none()
    if known is None:
        return SessionEnded()
    # The person first: whoever ends all their sessions meanwhile would miss the new one.
    db.lock(session, User, known.user_id)
    found = session.execute(
        query.with_for_update(key_share=True).execution_options(populate_existing=True)
    ).scalar_one()
    access, successor = (
        encryption.next_token(
            kind, refresh_token, family=found.family_id, generation=found.generation + 1
        )
        for kind in ("at", "rt")
    )
    if found.rotated_at is not None and found.revoked_at is None:
        repeated = _repeated(session, found, successor, now=now)
        if repeated is not None:
            return _again(session, repeated, access, successor, client_info=client_info, now=now)
        end_family(session, family_id=found.family_id, reason="refresh_reused", now=now)
        security_log.record(
            session,
            event="auth.refresh",
            outcome="refused",
            detail={"reason": "reused", "family_id": str(found.family_id)},
            user_id=found.user_id,
            company_id=found.company_id,
            ip_address=client_info.ip_address,
        )
        return SessionEnded("A refresh token was used twice; the session has ended for safety.")
    member = people.active_member(
        session, user_id=found.user_id, company_id=found.company_id, now=now
    )
    if member is None or not _lives(found, now):
        return SessionEnded()
    found.rotated_at = now
    return _issue(
        session,
        access,
        successor,
        member=member,
        family_id=found.family_id,
        generation=found.generation + 1,
        family_started_at=found.family_started_at,
        ends_at=found.ends_at,
        authenticated_at=found.authenticated_at,
        client_info=client_info,
        now=now,
    )


def _repeated(
    session: Session, rotated: AuthSession, successor: str, *, now: datetime
) -> AuthSession | None:
    """The successor of a token of a moment ago, unless that has been exchanged in its turn."""
    if rotated.rotated_at is None or rotated.rotated_at <= now - REPEATS_WITHIN:
        return None
    following = session.execute(
        select(AuthSession).where(AuthSession.refresh_digest == encryption.token_digest(successor))
    ).scalar_one_or_none()
    return following if following is not None and following.rotated_at is None else None


def _again(
    session: Session,
    auth: AuthSession,
    access: str,
    refresh: str,
    *,
    client_info: ClientInfo,
    now: datetime,
) -> Tokens | SessionEnded:
    member = people.active_member(
        session, user_id=auth.user_id, company_id=auth.company_id, now=now
    )
    if member is None or not _lives(auth, now):
        return SessionEnded()
    security_log.record(
        session,
        event="auth.refresh",
        outcome="ok",
        detail={"reason": "repeated", "family_id": str(auth.family_id)},
        user_id=auth.user_id,
        company_id=auth.company_id,
        ip_address=client_info.ip_address,
    )
    return Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_in=int((auth.access_expires_at - now).total_seconds()),
        purpose=auth.purpose,
    )


def end_family(session: Session, *, family_id: UUID, reason: str, now: datetime) -> None:
    """End one sign-in with all its rotations."""
    session.execute(
        update(AuthSession)
        .where(AuthSession.family_id == family_id, AuthSession.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason)
    )


def end_all(session: Session, *, user_id: UUID, reason: str, now: datetime) -> None:
    """End every session of a person: in this company (application role) or all (system role)."""
    session.execute(
        update(AuthSession)
        .where(AuthSession.user_id == user_id, AuthSession.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason)
    )


def end_everybodys(session: Session, *, reason: str, now: datetime) -> int:
    """End every session of every person (owner); returns how many sign-ins there were."""
    ended = session.execute(
        update(AuthSession)
        .where(AuthSession.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason)
        .returning(AuthSession.family_id)
    ).scalars()
    return len(set(ended))


def confirm_again(session: Session, *, session_id: UUID, now: datetime) -> None:
    """The person has just proven who they are once more (step-up)."""
    session.execute(
        update(AuthSession).where(AuthSession.id == session_id).values(authenticated_at=now)
    )


def replace_token(session: Session, *, session_id: UUID) -> str:
    """Give a session another access token; the one before is worthless at once."""
    token = encryption.new_token("at")
    session.execute(
        update(AuthSession)
        .where(AuthSession.id == session_id)
        .values(access_digest=encryption.token_digest(token))
    )
    return token


def revoke(session: Session, *, user_id: UUID, family_id: UUID, now: datetime) -> None:
    """End one of one's own sessions; ending it twice is the same.

    Raises:
        SessionNotFound: not this person's.
    """
    owned = session.execute(
        select(AuthSession.id)
        .where(AuthSession.user_id == user_id, AuthSession.family_id == family_id)
        .limit(1)
    ).scalar_one_or_none()
    if owned is None:
        raise SessionNotFound
    end_family(session, family_id=family_id, reason="revoked_by_owner", now=now)
