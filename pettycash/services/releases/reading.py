"""Where a release stands: the newest code, what it shows, and what is left of tries and sends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from pettycash.models.releases import ChallengeState, ReleaseChallenge, ReleaseGrant
from pettycash.runtime import db, settings
from pettycash.services.releases.challenges import sends_within_window

Release = tuple[ReleaseChallenge, ReleaseGrant | None] | None
"""The newest code that was asked for, and what it granted."""

NEWEST = (
    select(ReleaseChallenge, ReleaseGrant)
    .outerjoin(ReleaseGrant, ReleaseGrant.challenge_id == ReleaseChallenge.id)
    .where(ReleaseChallenge.subject_id == bindparam("subject_id"))
    .order_by(ReleaseChallenge.sequence.desc())
    .limit(1)
    .execution_options(**db.PREPARED)
)


def newest(session: Session, subject_id: UUID) -> Release:
    """The newest code for what is released; None where nobody asked for one."""
    row = session.execute(NEWEST, {"subject_id": subject_id}).one_or_none()
    return None if row is None else (row[0], row[1])


def tag(release: Release) -> str:
    """A version that changes with anything that `to_response` says, but for the clock."""
    if release is None:
        return "0"
    challenge, grant = release
    spent = grant is not None and grant.spent_at is not None
    return (
        f"{challenge.id.hex[-12:]}{challenge.state.value[0]}{challenge.tries}"
        f"{challenge.sends}{int(spent)}"
    )


def to_response(
    session: Session, release: Release, *, lines: Sequence[str], now: datetime
) -> dict[str, Any] | None:
    """The lines of the newest code, and where it stands."""
    if release is None:
        return None
    challenge, grant = release
    limits = settings.current()
    sends, _ = sends_within_window(session, subject_id=challenge.subject_id, now=now)
    return {
        "lines": lines,
        "executor_id": challenge.executor_id,
        "state": challenge.state,
        "end_cause": challenge.end_cause,
        "requested_at": challenge.created_at,
        "otp_sent_timestamp": challenge.sent_at,
        "expires_at": challenge.expires_at,
        "awaits_code": challenge.state is ChallengeState.LIVE and challenge.expires_at > now,
        "tries_left": max(0, limits.code_tries_max - challenge.tries),
        "sends_left": max(0, limits.code_sends_max - sends),
        "otp_verified": grant is not None,
        "otp_verified_timestamp": challenge.verified_at,
        "grant_expires_at": grant.expires_at if grant else None,
        "is_spendable": grant is not None
        and grant.spent_at is None
        and challenge.end_cause is None
        and grant.expires_at > now,
    }
