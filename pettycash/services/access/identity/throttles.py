"""Counters of attempts, in PostgreSQL: losing Redis opens no door (security.md rows 3 and 14).

Every count is one statement, committed by the caller before anything is compared: attempts that
run at the same moment can't all be the first.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.access import AuthSession, Throttle, User
from pettycash.runtime import errors, settings
from pettycash.services.access.identity import usernames

MINUTE = timedelta(minutes=1)
FAILURE_WINDOW = timedelta(minutes=15)
LOCK = timedelta(minutes=15)
DELAYED_FROM = 5
LOCKED_FROM = 10
CONSECUTIVE_FAILURES_MAX = 100
DELAY_MAX = timedelta(seconds=30)


class TooManyAttempts(errors.TooManyRequests):
    """Too many attempts; wait as long as Retry-After says."""

    code = "auth.throttled"


@dataclass(frozen=True)
class Count:
    """A counter after an attempt was added."""

    attempts: int
    consecutive_failures: int


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The verdict of the counters on an attempt to sign in."""

    refusal: TooManyAttempts | None = None
    closes: bool = False
    """Whether this failure closes the account, so that people are notified."""


@dataclass(frozen=True, kw_only=True)
class LoginSubjects:
    """The counters that one attempt to sign in touches. Names are digests: usernames are typed."""

    username: str
    """In its one spelling."""
    network: str
    address: str
    account: str
    account_at_address: str

    @classmethod
    def of(cls, username: str, ip_address: str | None) -> "LoginSubjects":
        """The counters of a username, as typed, and an address."""
        spelt, network = usernames.spelling(username), network_of(ip_address)
        name = hashlib.sha256(spelt.encode()).hexdigest()[:32]
        return cls(
            username=spelt,
            network=network,
            address=f"login:address:{network}",
            account=f"login:account:{name}",
            account_at_address=f"login:failures:{name}:{network}",
        )


def network_of(ip_address: str | None) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: whoever has one of those has all of them."""
    try:
        found = ipaddress.ip_address(ip_address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, 64), strict=False).network_address)
    return str(found)


def add(
    session: Session, *, subject: str, window: timedelta, now: datetime, failure: bool = False
) -> Count:
    """Count one attempt (system role). A window that is over begins anew."""
    row = insert(Throttle).values(
        subject=subject, window_started_at=now, attempts=1, consecutive_failures=int(failure)
    )
    over = Throttle.window_started_at <= now - window
    attempts, failures = session.execute(
        row.on_conflict_do_update(
            index_elements=[Throttle.subject],
            set_={
                "attempts": case((over, 1), else_=Throttle.attempts + 1),
                "window_started_at": case((over, now), else_=Throttle.window_started_at),
                "consecutive_failures": Throttle.consecutive_failures + int(failure),
            },
        ).returning(Throttle.attempts, Throttle.consecutive_failures)
    ).one()
    return Count(attempts, failures)


def spend(session: Session, *, subject: str, limit: int, window: timedelta, now: datetime) -> None:
    """Count one of at most `limit` attempts in a window (system role).

    Raises:
        TooManyAttempts: the window's attempts are spent; this one was counted all the same only
            if the caller commits.
    """
    count = add(session, subject=subject, window=window, now=now)
    if count.attempts > limit:
        raise TooManyAttempts(retry_after_seconds=int(window.total_seconds()))


def blocked_for(session: Session, *, subjects: list[str], now: datetime) -> int | None:
    """Seconds until the last of these blocks ends; None where nothing is blocked."""
    until = session.execute(
        select(Throttle.blocked_until)
        .where(Throttle.subject.in_(subjects), Throttle.blocked_until > now)
        .order_by(Throttle.blocked_until.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if until is None else max(1, int((until - now).total_seconds()))


def block(session: Session, *, subject: str, until: datetime) -> None:
    """Refuse a subject until then."""
    session.execute(update(Throttle).where(Throttle.subject == subject).values(blocked_until=until))


def begin_login(session: Session, *, subjects: LoginSubjects, now: datetime) -> Attempt:
    """Count an attempt to sign in as a failure in advance; the caller commits, then compares.

    Returns the refusal instead of raising it, so that the count stays. All that slows down counts
    for account and address together, or anybody could keep a named person out from elsewhere: so
    many a minute, from the 5th failure in 15 minutes a growing delay, from the 10th a lock for 15
    minutes. Beside it so many a minute for the address.

    100 failures in a row close the account (NIST SP 800-63B-4 §3.2.2), until it is given a new
    password or signed in to from an address where that had happened before: those stay open, until
    100 failures in a row came from there too.
    """
    limits = settings.current()
    here_only = subjects.account_at_address
    blocked = blocked_for(session, subjects=[here_only], now=now)
    by_address = add(session, subject=subjects.address, window=MINUTE, now=now)
    if blocked is not None:
        return Attempt(refusal=TooManyAttempts(retry_after_seconds=blocked))
    rate = add(session, subject=f"{here_only}:rate", window=MINUTE, now=now)
    if (
        by_address.attempts > limits.login_per_address_per_minute
        or rate.attempts > limits.login_per_account_per_minute
    ):
        return Attempt(refusal=TooManyAttempts(retry_after_seconds=60))
    account = add(session, subject=subjects.account, window=FAILURE_WINDOW, now=now, failure=True)
    here = add(session, subject=here_only, window=FAILURE_WINDOW, now=now, failure=True)
    closes = account.consecutive_failures == CONSECUTIVE_FAILURES_MAX + 1
    if account.consecutive_failures > CONSECUTIVE_FAILURES_MAX and (
        here.consecutive_failures > CONSECUTIVE_FAILURES_MAX
        or not _is_known_here(session, subjects)
    ):
        refusal = TooManyAttempts(retry_after_seconds=int(LOCK.total_seconds()))
        return Attempt(refusal=refusal, closes=closes)
    if here.attempts >= DELAYED_FROM:
        delay = min(timedelta(seconds=2 ** (here.attempts - DELAYED_FROM)), DELAY_MAX)
        block(session, subject=here_only, until=now + delay)
    if here.attempts >= LOCKED_FROM:
        block(session, subject=here_only, until=now + LOCK)
    return Attempt(closes=closes)


def _is_known_here(session: Session, subjects: LoginSubjects) -> bool:
    """Whether somebody signed in to the account from this address, as long as sessions are kept."""
    addresses = session.execute(
        select(AuthSession.ip_address)
        .distinct()
        .join(User, User.id == AuthSession.user_id)
        .where(User.username == subjects.username, AuthSession.generation == 0)
    ).scalars()
    return any(network_of(each) == subjects.network for each in addresses)


def succeeded(session: Session, *, subjects: LoginSubjects) -> None:
    """The attempt was right: its failures are forgotten."""
    forget(session, subjects=[subjects.account, subjects.account_at_address])


def uncount(session: Session, *, subjects: LoginSubjects, now: datetime) -> None:
    """The attempt was neither right nor wrong (a second factor is missing): undo its count only.

    What was counted before stays, or somebody who knows the password could guess codes for ever.
    """
    session.execute(
        update(Throttle)
        .where(Throttle.subject.in_([subjects.account, subjects.account_at_address]))
        .values(
            attempts=case((Throttle.attempts > 0, Throttle.attempts - 1), else_=0),
            consecutive_failures=case(
                (Throttle.consecutive_failures > 0, Throttle.consecutive_failures - 1), else_=0
            ),
            blocked_until=case(
                (Throttle.blocked_until > now + DELAY_MAX, Throttle.blocked_until), else_=None
            ),
        )
    )


def reopen_account(session: Session, *, username: str) -> None:
    """Forget an account's failures everywhere: an administrator gave it a new password."""
    account = LoginSubjects.of(username, None).account
    failures = account.replace("login:account:", "login:failures:")
    session.execute(
        delete(Throttle).where(
            or_(
                Throttle.subject == account,
                Throttle.subject.startswith(f"{failures}:", autoescape=True),
            )
        )
    )


def forget(session: Session, *, subjects: list[str]) -> None:
    """Drop counters."""
    session.execute(delete(Throttle).where(Throttle.subject.in_(subjects)))
