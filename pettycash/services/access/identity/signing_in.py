"""Username and password to a session: the same answer and time whether somebody exists or not.

A login is three steps, each committed: count the attempt, compare (no transaction is open while
argon2 works), then note how it ended. So attempts that run at once are all counted before any of
them is compared (security.md row 3).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Membership, User
from pettycash.runtime import db, errors
from pettycash.services.access.identity import (
    passwords,
    people,
    sessions,
    throttles,
    totp,
    usernames,
)
from pettycash.services.access.identity.people import ClientInfo
from pettycash.services.access.identity.sessions import Tokens
from pettycash.services.foundation import encryption, security_log
from pettycash.services.foundation.uow import Uow


class WrongCredentials(errors.NotAuthenticated):
    """Username, password or code is wrong."""

    code = "auth.wrong_credentials"


class MfaRequired(errors.NotAuthenticated):
    """The password is right; send the TOTP app's code with it as `totp_code`."""

    code = "auth.mfa_required"


class CompanyRequired(errors.RuleViolation):
    """You work in several companies; say in which one you sign in: `company` is its code."""

    code = "auth.company_required"


class PasswordWrong(errors.RuleViolation):
    """The current password is wrong."""

    code = "auth.password_wrong"


@dataclass(frozen=True, kw_only=True)
class StoredLogin:
    """The facts of a user that sign-in compares; none of them leaves this module."""

    user_id: UUID | None
    password_hash: str | None


def find(session: Session, *, username: str) -> StoredLogin:
    """Look somebody up by the name typed (system role)."""
    row = session.execute(
        select(User.id, User.password_hash).where(
            User.username == usernames.spelling(username), User.is_active
        )
    ).one_or_none()
    return StoredLogin(user_id=row[0] if row else None, password_hash=row[1] if row else None)


def companies_to_notify(session: Session, *, username: str) -> list[tuple[UUID, UUID]]:
    """The owner of a closed account, with each company where they work (system role)."""
    user_id = find(session, username=username).user_id
    if user_id is None:
        return []
    return [(user_id, each.id) for each in people.companies_of(session, user_id=user_id)]


def matches(known: StoredLogin, password: str) -> bool:
    """Compare, at the same price for users that do not exist; with no transaction open."""
    if len(password) > passwords.LENGTH_MAX:
        password = ""  # no hash is of it; comparing it costs what any other does
    if known.password_hash is None:
        encryption.spend_the_same_time(password)
        return False
    return encryption.password_matches(password, known.password_hash)


def complete(
    session: Session,
    *,
    known: StoredLogin,
    password_is_right: bool,
    totp_code: str | None,
    company: str | None,
    subjects: throttles.LoginSubjects,
    client_info: ClientInfo,
    refreshable: bool,
    now: datetime,
) -> Tokens | errors.PettycashError:
    """Note how an attempt ended and begin the session (system role).

    Refusals are returned, not raised: what they count and log is to be committed.
    """
    user_id = known.user_id
    if not password_is_right or user_id is None:
        return _refused(session, WrongCredentials(), client_info=client_info, user_id=user_id)
    # What was compared is what stands there still: a new password ends all sessions, and this one
    # would begin after it.
    user = db.lock(session, User, user_id)
    if user is None or user.password_hash != known.password_hash:
        return _refused(session, WrongCredentials(), client_info=client_info, user_id=user_id)
    if user.totp_enrolled_at is not None and not totp_code:
        throttles.uncount(session, subjects=subjects, now=now)
        return _refused(session, MfaRequired(), client_info=client_info, user_id=user_id)
    # Before the code is spent, so that it still serves once the company is named.
    chosen = _company(session, user_id=user_id, company=company)
    if isinstance(chosen, errors.PettycashError):
        if isinstance(chosen, CompanyRequired):
            throttles.uncount(session, subjects=subjects, now=now)
        return _refused(session, chosen, client_info=client_info, user_id=user_id)
    if user.totp_enrolled_at is not None and not totp.verify_totp(
        session, user_id=user_id, code=totp_code or "", now=now
    ):
        return _refused(session, WrongCredentials(), client_info=client_info, user_id=user_id)
    member = people.active_member(session, user_id=user_id, company_id=chosen.id, now=now)
    if member is None:
        return _refused(session, WrongCredentials(), client_info=client_info, user_id=user_id)
    throttles.succeeded(session, subjects=subjects)
    tokens = sessions.start(
        session, member=member, client_info=client_info, refreshable=refreshable, now=now
    )
    security_log.record(
        session,
        event="auth.login",
        outcome="ok",
        detail={"purpose": tokens.purpose.value},
        user_id=user_id,
        company_id=chosen.id,
        ip_address=client_info.ip_address,
    )
    return tokens


def rehash(session: Session, *, known: StoredLogin, new_hash: str) -> None:
    """Store a hash made with today's parameters, unless the password changed meanwhile."""
    user = db.lock(session, User, known.user_id) if known.user_id else None
    if user is not None and user.password_hash == known.password_hash:
        user.password_hash = new_hash


def _company(
    session: Session, *, user_id: UUID, company: str | None
) -> Company | errors.PettycashError:
    found = people.companies_of(session, user_id=user_id)
    if company is not None:
        wanted = company.casefold()
        found = [each for each in found if wanted in (each.code.casefold(), str(each.id))]
    if not found:
        return WrongCredentials()
    if len(found) > 1:
        # Which ones is not said: a second factor may still be missing.
        return CompanyRequired(errors={"company": ["Required."]})
    return found[0]


def _refused(
    session: Session,
    refusal: errors.PettycashError,
    *,
    client_info: ClientInfo,
    user_id: UUID | None,
) -> errors.PettycashError:
    # Asked for unknown users as well: the same work, the same time.
    companies = session.execute(
        select(Membership.company_id).where(Membership.user_id == user_id).limit(2)
    ).scalars()
    known = list(companies)
    security_log.record(
        session,
        event="auth.login",
        outcome="refused",
        detail={"code": refusal.code},
        user_id=user_id,
        company_id=known[0] if len(known) == 1 else None,
        ip_address=client_info.ip_address,
    )
    return refusal


def change_password(uow: Uow, *, user_id: UUID, new_hash: str) -> None:
    """Store the hash of a password that was checked; all sessions end everywhere (system role)."""
    user = db.lock(uow.session, User, user_id)
    if user is None:
        raise sessions.SessionEnded
    user.password_hash = new_hash
    user.password_changed_at = uow.now
    user.version += 1
    sessions.end_all(uow.session, user_id=user_id, reason="password_changed", now=uow.now)
    security_log.record(uow.session, event="auth.password_changed", outcome="ok", actor=uow.actor)
