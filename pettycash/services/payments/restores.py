"""After a restore: what came after the backup is lost here and stands outside, at the rails.

`stamp` writes down that a database was restored and from which instant, and makes it safe to go on:
everything is paused, what may have been sent is asked about first, numbers that people may have
seen are not given out again, and what was ended in the lost time is ended once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.orm import Session

from pettycash.models.access import ApiKey, Company, Membership, RoleAssignment
from pettycash.models.base import Tenanted
from pettycash.models.operations import PlatformPause, Restore
from pettycash.models.payments import LIVE, Payment, PaymentAttempt
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db, errors
from pettycash.services import releases
from pettycash.services.access.identity import links, sessions
from pettycash.services.foundation import numbers, security_log
from pettycash.services.operations import pauses

WRITTEN_BEFORE_SENDING: tuple[type[Tenanted], ...] = (Requisition, Payment, PaymentAttempt)
"""Rows that exist before money leaves; the newest of them bounds what is covered."""

REASON = "restored"


class TakenInTheFuture(errors.RuleViolation):
    """A database can't be restored to an instant in the future; name the right one."""

    code = "restore.taken_in_the_future"


class TakenWithoutZone(errors.RuleViolation):
    """The instant of a restore needs a time zone: 2026-11-30T04:00:00Z."""

    code = "restore.taken_without_zone"


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The result of a stamp: what was done, and what a person has to look at."""

    restore: Restore
    is_new: bool
    """False: this very restore was stamped before, and nothing was done."""
    attempts: int
    """Attempts that ask the rail before they are sent."""
    sessions: int
    """Sign-ins that were ended."""
    releases: int
    """Releases whose code or grant was voided."""
    keys: Sequence[tuple[str, str]]
    """API keys that are valid now, withdrawn in the lost time or not: company and name."""
    roles: int
    """Role assignments that are valid now, with the same doubt."""
    people: int
    """Memberships that are active now, with the same doubt."""


def stamp(session: Session, *, taken_at: datetime, by: str, now: datetime) -> Stamp:
    """Make a restored database safe to go on with; nothing else may run on it before (owner).

    `taken_at` is the instant from which on things are lost; `by` a login name. The same restore is
    stamped once, however often it is asked for.

    Raises:
        TakenInTheFuture, TakenWithoutZone: no restore can be from this instant.
    """
    if taken_at.tzinfo is None:
        raise TakenWithoutZone
    taken_at = taken_at.astimezone(UTC)
    if taken_at > now:
        raise TakenInTheFuture
    # Two at once take turns, and the second one finds what the first has done.
    session.execute(text("LOCK TABLE restores IN EXCLUSIVE MODE"))
    before = session.execute(select(Restore).where(Restore.taken_at == taken_at)).scalars().first()
    if before is not None:
        return _seen(session, before, now=now)
    companies = session.execute(select(Company).order_by(Company.code)).scalars().all()
    attempts = session.execute(
        update(PaymentAttempt)
        .where(PaymentAttempt.state.in_(LIVE), PaymentAttempt.provider_account_id.is_not(None))
        # Who holds the claim in the lost time is gone, or must not go on; what the rail said after
        # an earlier restore was before the time that is lost now.
        .values(asks_first=True, not_known_at=None, asked_ahead=0, asked_reference=None, claim=None)
        .returning(PaymentAttempt.id)
    ).all()
    sent = links.void_sent(session, now=now)  # whichever was used in the lost time would be good
    ended = sessions.end_everybodys(session, reason=REASON, now=now)
    voided = 0
    for company in companies:
        with db.scope(company_id=company.id):
            db.begin_scope(session)
            voided += releases.void_all(session, now=now)
    db.begin_scope(session)
    _pause(session, taken_at=taken_at, by=by)
    made = Restore(
        number=session.execute(select(func.coalesce(func.max(Restore.number), 0))).scalar_one() + 1,
        taken_at=taken_at,
        stamped_at=now,
        covers_until=_covers_until(session, now=now),
        # Last, as everybody locks a counter last.
        counters={
            str(each.id): numbers.jump(session, company_id=each.id, since=taken_at, now=now)
            for each in companies
        },
        stamped_by=by,
    )
    session.add(made)
    security_log.record(
        session,
        event="restore.stamped",
        outcome="ok",
        detail={
            "number": made.number,
            "taken_at": taken_at.isoformat(),
            "by": by,
            "attempts": len(attempts),
            "sessions": ended,
            "links": sent,
            "releases": voided,
        },
    )
    return _seen(
        session, made, now=now, attempts=len(attempts), sessions=ended, releases=voided, is_new=True
    )


def _covers_until(session: Session, *, now: datetime) -> datetime:
    """An instant after all that is here: the clock of the host before may have been ahead."""
    newest = [
        session.execute(select(func.max(model.created_at))).scalar_one()
        for model in WRITTEN_BEFORE_SENDING
    ]
    return max([now, *filter(None, newest)]) + timedelta(microseconds=1)


def _pause(session: Session, *, taken_at: datetime, by: str) -> None:
    """Pause everything until two people have asked, after the restore, to resume."""
    reason = (
        f"Restored from {taken_at:%Y-%m-%d %H:%M:%S %Z}: what came after it is lost."
        " Check withdrawn API keys, roles and people before you resume."
    )
    standing = session.execute(
        select(PlatformPause)
        .where(PlatformPause.resumed_at.is_(None))
        .with_for_update(key_share=True)
    ).scalar_one_or_none()
    if standing is None:
        pauses.pause_everything(session, reason=reason, by=by)
        return
    # It came with the backup: whoever had asked to end it did not know of the restore.
    standing.resume_requested_by = None
    standing.reason = reason


def _seen(
    session: Session,
    restore: Restore,
    *,
    now: datetime,
    is_new: bool = False,
    attempts: int = 0,
    sessions: int = 0,
    releases: int = 0,
) -> Stamp:
    keys = session.execute(
        select(Company.code, ApiKey.name)
        .join(Company, Company.id == ApiKey.company_id)
        .where(ApiKey.revoked_at.is_(None), ApiKey.expires_at > now)
        .order_by(Company.code, ApiKey.name)
    )
    valid = or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now)
    count = select(func.count())
    return Stamp(
        restore=restore,
        is_new=is_new,
        attempts=attempts,
        sessions=sessions,
        releases=releases,
        keys=[(row.code, row.name) for row in keys],
        roles=session.execute(count.select_from(RoleAssignment).where(valid)).scalar_one(),
        people=session.execute(
            count.select_from(Membership).where(Membership.is_active)
        ).scalar_one(),
    )
