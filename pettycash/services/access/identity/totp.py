"""Authenticator apps: RFC 6238, 30-second steps, each code once.

The current step, the one before and the next are taken, as phones' clocks drift both ways (a
documented deviation from ASVS 6.5.5), by PostgreSQL's clock only. The seed is encrypted and bound
to the user (security.md row 4).
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import or_, select, text, update
from sqlalchemy.orm import Session

from pettycash.models.access import User
from pettycash.runtime import db, errors
from pettycash.services.access.identity import sessions
from pettycash.services.foundation import encryption

STEP_SECONDS = 30
ISSUER = "pettycash"


class TotpEnrolled(errors.Conflict):
    """A TOTP app is enrolled already; an administrator can reset it."""

    code = "mfa.already_enrolled"


class TotpNotBegun(errors.Conflict):
    """There is no enrolment to confirm; begin with POST /api/auth/mfa/enrol/."""

    code = "mfa.not_begun"


class TotpWrong(errors.RuleViolation):
    """The code of the TOTP app is wrong, too old, or was used before."""

    code = "mfa.code_wrong"


class UserNotFound(errors.NotFound):
    """There is no such user in your company."""

    code = "user.not_found"


class OwnReset(errors.KeptApart):
    """You can't reset your own second factor; ask another administrator."""

    code = "mfa.own_reset"


class SharedLogin(errors.NotAllowed):
    """This person works in another company too; only the host's operator can reset the login."""

    code = "mfa.shared_login"


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """The seed that the app needs, shown once."""

    secret: str
    provisioning_uri: str


def verify_totp(session: Session, *, user_id: UUID, code: str, now: datetime) -> bool:
    """Whether the code is right; taking it spends its step, so that no code counts twice.

    The guard is in the UPDATE: of two requests with one code, one wins. The caller counts tries.
    """
    seed = session.execute(
        select(User.totp_seed).where(User.id == user_id, User.totp_enrolled_at.is_not(None))
    ).scalar_one_or_none()
    step = None if seed is None else _step_of(seed, user_id, code, now)
    if step is None:
        return False
    spent = session.execute(
        update(User)
        .where(
            User.id == user_id,
            or_(User.totp_last_step.is_(None), User.totp_last_step < step),
        )
        .values(totp_last_step=step)
        .execution_options(synchronize_session=False)
    )
    return bool(spent.rowcount)  # type: ignore[attr-defined] # of the cursor of an UPDATE


def _step_of(seed: str, user_id: UUID, code: str, now: datetime) -> int | None:
    """The 30-second step that a code belongs to, of the current one and its neighbours."""
    totp = pyotp.TOTP(encryption.decrypt(seed, bound_to=user_id), interval=STEP_SECONDS)
    current = int(now.timestamp()) // STEP_SECONDS
    given = code.strip().encode()
    matching = None
    for step in (current - 1, current, current + 1):  # all are always compared
        if hmac.compare_digest(totp.generate_otp(step).encode(), given):
            matching = step
    return matching


def enrol(session: Session, *, user_id: UUID) -> Enrolment:
    """Begin an enrolment; beginning again replaces the seed that was not confirmed.

    Raises:
        TotpEnrolled: one is in force.
    """
    user = db.lock(session, User, user_id)
    if user is None:
        raise UserNotFound
    if user.totp_enrolled_at is not None:
        raise TotpEnrolled
    secret = pyotp.random_base32()
    user.totp_seed = encryption.encrypt(secret, bound_to=user_id)
    user.totp_last_step = None
    uri = pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(
        name=user.username, issuer_name=ISSUER
    )
    return Enrolment(secret=secret, provisioning_uri=uri)


def confirm(session: Session, *, user_id: UUID, code: str, now: datetime) -> None:
    """End an enrolment with a first code; every session ends, this one too.

    Raises:
        TotpEnrolled, TotpNotBegun, TotpWrong.
    """
    user = db.lock(session, User, user_id)
    if user is None:
        raise UserNotFound
    if user.totp_enrolled_at is not None:
        raise TotpEnrolled
    if user.totp_seed is None:
        raise TotpNotBegun
    step = _step_of(user.totp_seed, user_id, code, now)
    if step is None:
        raise TotpWrong
    user.totp_enrolled_at = now
    user.totp_last_step = step
    user.version += 1
    sessions.end_all(session, user_id=user_id, reason="mfa_changed", now=now)


def reset(session: Session, *, user_id: UUID, actor_id: UUID | None, now: datetime) -> None:
    """Take somebody's second factor away, so that they enrol anew; their sessions end.

    `actor_id` is None on the host's command line.

    Raises:
        UserNotFound: not of this company.
        OwnReset: one's own.
        SharedLogin: the person is a member of another company as well.
    """
    if user_id == actor_id:
        raise OwnReset
    user = db.lock(session, User, user_id)
    if user is None:
        raise UserNotFound
    shared = text("SELECT works_elsewhere(:person)")
    if actor_id is not None and session.execute(shared, {"person": user_id}).scalar_one():
        raise SharedLogin
    user.totp_seed = None
    user.totp_enrolled_at = None
    user.totp_last_step = None
    user.version += 1
    sessions.end_all(session, user_id=user_id, reason="mfa_reset", now=now)
