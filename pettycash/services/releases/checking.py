"""Codes are counted before they are compared; a right one yields a grant that is spent once."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from pettycash.models.releases import (
    ChallengeState,
    EndCause,
    Releasable,
    ReleaseChallenge,
    ReleaseGrant,
)
from pettycash.runtime import db, errors, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.services.access import identity
from pettycash.services.foundation import outbox, security_log
from pettycash.services.foundation.uow import Uow
from pettycash.services.releases.challenges import EXPIRY_TOPIC, end_challenge, fail_challenge
from pettycash.services.releases.subjects import (
    NotTheExecutor,
    ReleaseLocked,
    ReleaseSubject,
    about,
    bound_digest,
    check_releaser,
    locked_row,
)


class NoChallenge(errors.RuleViolation):
    """No code is open for this release; ask for one first."""

    code = "release.no_challenge"


class WrongCode(errors.RuleViolation):
    """The code is wrong; the try is counted."""

    code = "release.wrong_code"


class TriesExhausted(errors.RuleViolation):
    """All tries of this code are used up: ask for a new one."""

    code = "release.tries_exhausted"


class CodeExpired(errors.RuleViolation):
    """The code has expired: ask for a new one."""

    code = "release.code_expired"


class CodeUsed(errors.RuleViolation):
    """This code has already been verified; ask for a new one to release again."""

    code = "release.code_used"


class SubjectChanged(errors.RuleViolation):
    """Amount, payee, destination or store changed since the code was asked for."""

    code = "release.subject_changed"


class CodeRequired(errors.RuleViolation):
    """This release needs a verified code."""

    code = "release.code_required"


class GrantExpired(errors.RuleViolation):
    """The code was verified too long ago: ask for a new one."""

    code = "release.grant_expired"


class GrantUsed(errors.RuleViolation):
    """The verified code has already been used for a release; ask for a new one."""

    code = "release.grant_used"


@dataclass(frozen=True, kw_only=True)
class CodeResult:
    """The result of one try. The caller commits, as the try counts, and then raises a refusal."""

    grant: ReleaseGrant | None = None
    refusal: errors.PettycashError | None = None


def keyed_digest(code: str, challenge_id: UUID) -> bytes:
    """HMAC-SHA-256 of a code with the server's key and its challenge's id (security.md row 5)."""
    key = settings.current().otp_key.encode() + challenge_id.bytes
    return hmac.new(key, code.encode(), hashlib.sha256).digest()


def check_code(uow: Uow, *, subject: ReleaseSubject, code: str) -> CodeResult:
    """Count a try, then compare it with the sent code or the executor's TOTP app.

    Raises:
        NotSeparate, TreasuryFirst: the actor may not release this; no try is counted.
        NotTheExecutor: the code is somebody else's; theirs is not spent on it.
        ReleaseLocked: a second person unlocks first.
    """
    session = uow.session
    row = locked_row(session, subject)
    check_releaser(uow, subject=subject)
    if row.release_locked_at is not None:
        raise ReleaseLocked
    challenge = _counted(uow, subject=subject)
    crash_point("releases.counted")
    if challenge is None:
        return _nothing_to_count(uow, subject=subject, row=row)
    refusal = _refusal(uow, subject=subject, row=row, challenge=challenge, code=code)
    if isinstance(refusal, errors.PettycashError):
        security_log.record(
            session,
            event="release.code_refused",
            outcome=refusal.code,
            detail={"kind": subject.kind, "id": str(subject.id), "tries": challenge.tries},
            actor=uow.actor,
        )
        return CodeResult(refusal=refusal)
    challenge.state = ChallengeState.VERIFIED
    challenge.verified_at = uow.now
    challenge.code_digest = None
    grant = ReleaseGrant(
        company_id=challenge.company_id,
        challenge_id=challenge.id,
        executor_id=uow.actor.user_id,
        proof=refusal,
        verified_at=uow.now,
        expires_at=uow.now + timedelta(seconds=settings.current().grant_lifetime_seconds),
    )
    session.add(grant)
    outbox.complete(session, topic=EXPIRY_TOPIC, key=challenge.id)
    security_log.record(
        session,
        event="release.code_verified",
        outcome="ok",
        detail={"kind": subject.kind, "id": str(subject.id), "proof": refusal},
        actor=uow.actor,
    )
    crash_point("releases.verified")
    return CodeResult(grant=grant)


def spend_grant(uow: Uow, *, subject: ReleaseSubject) -> ReleaseGrant:
    """Spend the actor's grant for exactly this subject as it stands now. Once.

    Raises:
        as `find_grant`.
    """
    grant = find_grant(uow, subject=subject)
    spent = uow.session.execute(
        update(ReleaseGrant)
        .where(ReleaseGrant.id == grant.id, ReleaseGrant.spent_at.is_(None))
        .values(spent_at=uow.now)
        .returning(ReleaseGrant)
        .execution_options(populate_existing=True, **db.PREPARED)
    ).scalar_one_or_none()
    if spent is None:
        raise GrantUsed
    crash_point("releases.spent")
    return spent


def find_grant(uow: Uow, *, subject: ReleaseSubject) -> ReleaseGrant:
    """The actor's grant that releases exactly this subject as it stands now.

    Raises:
        CodeRequired: no code was verified for it.
        NotTheExecutor: the verified code is somebody else's.
        SubjectChanged, GrantExpired, GrantUsed: it releases nothing any more.
    """
    found = uow.session.execute(
        select(ReleaseGrant, ReleaseChallenge)
        .join(ReleaseChallenge, ReleaseChallenge.id == ReleaseGrant.challenge_id)
        .where(about(subject))
        .order_by(ReleaseGrant.sequence.desc())
        .limit(1),
        execution_options=db.PREPARED,
    ).one_or_none()
    if found is None:
        raise CodeRequired
    grant, challenge = found
    if grant.executor_id != uow.actor.user_id:
        raise NotTheExecutor
    if grant.spent_at is not None:
        raise GrantUsed
    if challenge.end_cause is EndCause.CHANGED or challenge.subject_digest != bound_digest(
        subject, uow.actor.user_id
    ):
        raise SubjectChanged
    if challenge.state is not ChallengeState.VERIFIED:
        raise CodeRequired
    if grant.expires_at <= uow.now:
        raise GrantExpired
    found_grant: ReleaseGrant = grant
    return found_grant


def _counted(uow: Uow, *, subject: ReleaseSubject) -> ReleaseChallenge | None:
    """Count the try on the actor's newest challenge in one statement, ended by tries or live."""
    newest = (
        select(ReleaseChallenge.id)
        .where(about(subject), ReleaseChallenge.executor_id == uow.actor.user_id)
        .order_by(ReleaseChallenge.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    counted = uow.session.execute(
        update(ReleaseChallenge)
        .where(
            ReleaseChallenge.id == newest,
            or_(
                ReleaseChallenge.state == ChallengeState.LIVE,
                ReleaseChallenge.end_cause == EndCause.TRIES,
            ),
        )
        .values(tries=ReleaseChallenge.tries + 1)
        .returning(ReleaseChallenge)
        .execution_options(populate_existing=True)
    )
    return counted.scalar_one_or_none()


def _nothing_to_count(uow: Uow, *, subject: ReleaseSubject, row: Releasable) -> CodeResult:
    newest = uow.session.execute(
        select(ReleaseChallenge)
        .where(about(subject))
        .order_by(ReleaseChallenge.sequence.desc())
        .limit(1)
    ).scalar_one_or_none()
    if row.executor_id is not None and row.executor_id != uow.actor.user_id:
        raise NotTheExecutor
    if newest is None or newest.executor_id != uow.actor.user_id:
        return CodeResult(refusal=NoChallenge())
    if newest.state is ChallengeState.VERIFIED:
        return CodeResult(refusal=CodeUsed())
    if newest.end_cause is EndCause.EXPIRED:
        return CodeResult(refusal=CodeExpired())
    if newest.end_cause is EndCause.CHANGED:
        return CodeResult(refusal=SubjectChanged())
    return CodeResult(refusal=NoChallenge())


def _refusal(
    uow: Uow, *, subject: ReleaseSubject, row: Releasable, challenge: ReleaseChallenge, code: str
) -> errors.PettycashError | str:
    """Why a counted try is refused; the proof's name where it is not."""
    session, now = uow.session, uow.now
    tries_max = settings.current().code_tries_max
    if challenge.state is ChallengeState.DEAD or challenge.tries > tries_max:
        return TriesExhausted()
    if challenge.expires_at <= now:
        fail_challenge(
            session,
            subject=subject,
            row=row,
            challenge=challenge,
            cause=EndCause.EXPIRED,
            at=challenge.expires_at,
            now=now,
        )
        return CodeExpired()
    if challenge.subject_digest != bound_digest(subject, uow.actor.user_id):
        end_challenge(session, challenge=challenge, cause=EndCause.CHANGED, at=now)
        row.executor_id = None
        return SubjectChanged()
    sent = challenge.code_digest
    if sent is not None and hmac.compare_digest(sent, keyed_digest(code, challenge.id)):
        return "code"
    if identity.verify_totp(session, user_id=uow.actor.user_id, code=code, now=now):
        return "totp"
    if challenge.tries >= tries_max:
        fail_challenge(
            session,
            subject=subject,
            row=row,
            challenge=challenge,
            cause=EndCause.TRIES,
            at=now,
            now=now,
        )
    return WrongCode()
