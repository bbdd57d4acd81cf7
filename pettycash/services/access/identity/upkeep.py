"""Upkeep of what signing in leaves behind."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import AuthSession, Throttle
from pettycash.services.access.identity.throttles import CONSECUTIVE_FAILURES_MAX

COUNTER_DAYS = 1
FAILURES_DAYS = 90
SESSION_DAYS = 30
"""How long ended sessions can be looked up; the security log keeps sign-ins for good."""


def remove_old(session: Session, *, limit: int, now: datetime) -> int:
    """Delete counters that count no more and sessions that ended long ago (system role).

    At most `limit` of each; returns how many of the larger kind went. Failures in a row are kept
    for 90 days, and for good where they closed the account.
    """
    since = Throttle.window_started_at
    failures = Throttle.consecutive_failures
    idle = (
        select(Throttle.subject)
        .where(
            or_(
                (failures == 0) & (since < now - timedelta(days=COUNTER_DAYS)),
                (failures < CONSECUTIVE_FAILURES_MAX)
                & (since < now - timedelta(days=FAILURES_DAYS)),
            ),
            or_(Throttle.blocked_until.is_(None), Throttle.blocked_until < now),
        )
        .limit(limit)
    )
    ended = (
        select(AuthSession.id)
        .where(AuthSession.ends_at < now - timedelta(days=SESSION_DAYS))
        .limit(limit)
    )
    # Sessions before counters, in the order of locks (docs/reliability.md).
    sessions = session.execute(delete(AuthSession).where(AuthSession.id.in_(ended)))
    counters = session.execute(delete(Throttle).where(Throttle.subject.in_(idle)))
    return max(int(getattr(each, "rowcount", 0)) for each in (counters, sessions))
