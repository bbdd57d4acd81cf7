"""Challenges: who claims a release, and when a challenge ends."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import ContactKind
from pettycash.models.operations import CaseKind, Severity
from pettycash.models.releases import (
    ChallengeSend,
    ChallengeState,
    EndCause,
    Releasable,
    ReleaseChallenge,
    ReleaseGrant,
)
from pettycash.runtime import db, errors, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.services.access import contacts
from pettycash.services.foundation import company_settings, outbox, security_log
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.releases.subjects import (
    ReleaseLocked,
    ReleaseSubject,
    about,
    bound_digest,
    check_releaser,
    lock_order,
    locked_row,
    may_release,
)

EXPIRY_TOPIC = "otp.expire"
"""Enqueued with every challenge: one that expires ends its claim and counts, whoever looks next."""

COUNTED_FAILURES = (EndCause.TRIES, EndCause.EXPIRED)
"""Ends that may be somebody guessing. Others count too where wrong codes were tried before."""


class ReleaseClaimed(errors.Conflict):
    """Somebody else is releasing this; their claim ends with their code or grant."""

    code = "release.claimed"


class TooManyCodes(errors.TooManyRequests):
    """Too many codes were asked for; wait before asking for another one."""

    code = "release.too_many_codes"


class CannotRelease(errors.RuleViolation):
    """The person named can't release this: role, scope or segregation of duties."""

    code = "release.cannot_release"


class NotLocked(errors.Conflict):
    """The release is not locked."""

    code = "release.not_locked"


def request_code(uow: Uow, *, subject: ReleaseSubject) -> ReleaseChallenge:
    """Claim the release and send the executor a code; asking again replaces the code.

    A worker makes and sends it. Where the company sends none, the executor's TOTP app serves.

    Raises:
        NotSeparate, TreasuryFirst: the actor may not release this.
        ReleaseLocked: too many challenges failed; a second person unlocks.
        ReleaseClaimed: another executor's claim lives.
        TooManyCodes: three were asked for within 15 minutes.
    """
    session, actor, now = uow.session, uow.actor, uow.now
    row = locked_row(session, subject)
    check_releaser(uow, subject=subject)
    check_unlocked(row)
    live = _settle(session, subject=subject, row=row, now=now)
    if row.release_locked_at is not None:
        # What has just expired was one too many; `releases.expire` keeps what this refusal undoes.
        raise ReleaseLocked
    _check_unclaimed(row, actor)
    _count_sends(session, subject=subject, now=now)
    timing = settings.current()
    bound = bound_digest(subject, actor.user_id)
    if live is not None and live.subject_digest != bound:
        end_challenge(session, challenge=live, cause=EndCause.CHANGED, at=now)
        live = None
    if live is None:
        _revoke_grants(session, subject=subject, now=now)
        live = ReleaseChallenge(
            company_id=row.company_id,
            subject_kind=subject.kind,
            subject_id=subject.id,
            executor_id=actor.user_id,
            subject_digest=bound,
            state=ChallengeState.LIVE,
            tries=0,
            sends=1,
            expires_at=now + timedelta(seconds=timing.code_lifetime_seconds),
        )
        session.add(live)
    else:
        # The old code ends now, not when the worker comes round; its tries stay counted.
        live.code_digest = None
        live.sent_at = None
        live.sends += 1
        live.expires_at = now + timedelta(seconds=timing.code_lifetime_seconds)
    row.executor_id = actor.user_id
    session.flush()  # the send refers to the challenge
    _owe_sending(session, challenge=live)
    outbox.enqueue(session, topic=EXPIRY_TOPIC, key=live.id, due_at=live.expires_at)
    outbox.reschedule(session, topic=EXPIRY_TOPIC, key=live.id, due_at=live.expires_at)
    security_log.record(
        session,
        event="release.code_requested",
        outcome="ok",
        detail=_detail(subject),
        actor=actor,
    )
    crash_point("releases.asked")
    return live


def check_claim(uow: Uow, *, subject: ReleaseSubject, row: Releasable) -> None:
    """Refuse who may not ask for a code as things stand.

    Raises:
        NotSeparate, TreasuryFirst, ReleaseLocked, ReleaseClaimed: see `request_code`.
    """
    check_releaser(uow, subject=subject)
    check_unlocked(row)
    _check_unclaimed(row, uow.actor)


def check_unlocked(row: Releasable) -> None:
    """Refuse while too many failed codes lock the release.

    Raises:
        ReleaseLocked: a second person unlocks first.
    """
    if row.release_locked_at is not None:
        raise ReleaseLocked


def _check_unclaimed(row: Releasable, actor: Actor) -> None:
    if row.executor_id is not None and row.executor_id != actor.user_id:
        raise ReleaseClaimed


def void(session: Session, *, subject: ReleaseSubject, cause: EndCause, now: datetime) -> None:
    """End whatever lives of a subject's release, since it changed or is cancelled.

    Wrong codes stay counted: nobody wins tries by naming another executor. The caller holds the
    subject's row lock.
    """
    row = locked_row(session, subject)
    for challenge in session.execute(
        select(ReleaseChallenge).where(
            about(subject), ReleaseChallenge.state == ChallengeState.LIVE
        )
    ).scalars():
        if challenge.tries:
            fail_challenge(
                session,
                subject=subject,
                row=row,
                challenge=challenge,
                cause=cause,
                at=now,
                now=now,
            )
        else:
            end_challenge(session, challenge=challenge, cause=cause, at=now)
    _revoke_grants(session, subject=subject, now=now, cause=cause)


def void_all(session: Session, *, now: datetime) -> int:
    """End whatever lives of any release in the company; returns of how many subjects it ended.

    In the order of locks: kind by kind, each by their keys.
    """
    rows = session.execute(
        select(ReleaseChallenge)
        .outerjoin(ReleaseGrant, ReleaseGrant.challenge_id == ReleaseChallenge.id)
        .where(
            ReleaseChallenge.company_id == session.info["scope"].company_id,
            or_(
                ReleaseChallenge.state == ChallengeState.LIVE,
                and_(
                    ReleaseChallenge.state == ChallengeState.VERIFIED,
                    ReleaseGrant.spent_at.is_(None),
                    ReleaseGrant.expires_at > now,
                ),
            ),
        )
    ).scalars()
    subjects = {lock_order(each): each for each in rows}
    for key in sorted(subjects):
        void(session, subject=_bare_subject(subjects[key]), cause=EndCause.REASSIGNED, now=now)
    return len(subjects)


def assign(uow: Uow, *, subject: ReleaseSubject, executor_id: UUID) -> None:
    """Name who releases; whatever claim there was ends.

    Raises:
        CannotRelease: that person may not release this.
        ReleaseLocked: a second person unlocks first.
    """
    session = uow.session
    row = locked_row(session, subject)
    check_unlocked(row)
    if not may_release(session, subject=subject, user_id=executor_id, now=uow.now):
        raise CannotRelease(errors={"executor_id": ["This person can't release it."]})
    void(session, subject=subject, cause=EndCause.REASSIGNED, now=uow.now)
    row.executor_id = executor_id
    row.version += 1
    security_log.record(
        session,
        event="release.executor_assigned",
        outcome="ok",
        detail=_detail(subject) | {"executor_id": str(executor_id)},
        actor=uow.actor,
    )


def unlock(uow: Uow, *, subject: ReleaseSubject) -> None:
    """Unlock a release after too many failed challenges; the role is the permission table's.

    Raises:
        NotLocked: it is not locked.
        NotSeparate: the challenges that failed were this person's own.
    """
    row = locked_row(uow.session, subject)
    check_unlocking(uow, subject=subject, row=row)
    row.release_locked_at = None
    row.executor_id = None
    row.version += 1
    cases.close(
        uow.session,
        kind=CaseKind.RELEASE_LOCKED,
        object_type=subject.kind,
        object_id=subject.id,
        resolved_by=uow.actor.user_id,
        note="unlocked",
        now=uow.now,
    )
    security_log.record(
        uow.session,
        event="release.unlocked",
        outcome="ok",
        detail=_detail(subject),
        actor=uow.actor,
    )


def check_unlocking(uow: Uow, *, subject: ReleaseSubject, row: Releasable) -> None:
    """Refuse who may not unlock a release as things stand.

    Raises:
        NotLocked, NotSeparate: see `unlock`.
    """
    if row.release_locked_at is None:
        raise NotLocked
    window = timedelta(seconds=settings.current().failed_codes_window_seconds)
    executors = uow.session.execute(
        select(ReleaseChallenge.executor_id).where(
            about(subject),
            ReleaseChallenge.state == ChallengeState.DEAD,
            ReleaseChallenge.ended_at > row.release_locked_at - window,
        )
    ).scalars()
    if uow.actor.user_id in set(executors) | {row.executor_id}:
        raise NotSeparate("Another person than the executor must unlock the release.")


def end_challenge(
    session: Session, *, challenge: ReleaseChallenge, cause: EndCause, at: datetime
) -> None:
    """End a challenge; nothing revives it."""
    challenge.state = ChallengeState.DEAD
    challenge.end_cause = cause
    challenge.ended_at = at
    challenge.code_digest = None
    session.flush()  # the next look at the living must not find it
    outbox.complete(session, topic=EXPIRY_TOPIC, key=challenge.id)


def fail_challenge(
    session: Session,
    *,
    subject: ReleaseSubject,
    row: Releasable,
    challenge: ReleaseChallenge,
    cause: EndCause,
    at: datetime,
    now: datetime,
) -> None:
    """End a challenge that may have been a guess, and its claim; too many lock the release."""
    end_challenge(session, challenge=challenge, cause=cause, at=at)
    row.executor_id = None
    row.version += 1
    limits = settings.current()
    failed = session.execute(
        select(func.count())
        .select_from(ReleaseChallenge)
        .where(
            about(subject),
            ReleaseChallenge.state == ChallengeState.DEAD,
            or_(
                ReleaseChallenge.end_cause.in_(COUNTED_FAILURES),
                and_(ReleaseChallenge.tries > 0, ReleaseChallenge.verified_at.is_(None)),
            ),
            ReleaseChallenge.ended_at > now - timedelta(seconds=limits.failed_codes_window_seconds),
        )
    ).scalar_one()
    if failed < limits.failed_codes_max:
        return
    row.release_locked_at = now
    cases.open_case(
        session,
        kind=CaseKind.RELEASE_LOCKED,
        object_type=subject.kind,
        object_id=subject.id,
        summary=f"{failed} codes failed within the hour; the release is locked.",
        evidence={"challenges": failed, "last_executor_id": str(challenge.executor_id)},
        severity=Severity.SEVERE,
    )


def expire(session: Session, *, challenge_id: UUID, now: datetime) -> None:
    """Expire a challenge whose time has passed; `request_code` enqueues it, safe at any time."""
    challenge = session.get(ReleaseChallenge, challenge_id)
    if challenge is None:
        return
    subject = _bare_subject(challenge)
    row = locked_row(session, subject)
    db.lock(session, ReleaseChallenge, challenge_id)  # its code may be being made
    if challenge.state is not ChallengeState.LIVE:
        outbox.complete(session, topic=EXPIRY_TOPIC, key=challenge.id)
    elif challenge.expires_at > now:
        outbox.reschedule(
            session, topic=EXPIRY_TOPIC, key=challenge.id, due_at=challenge.expires_at
        )
    else:
        fail_challenge(
            session,
            subject=subject,
            row=row,
            challenge=challenge,
            cause=EndCause.EXPIRED,
            at=challenge.expires_at,
            now=now,
        )


def _settle(
    session: Session, *, subject: ReleaseSubject, row: Releasable, now: datetime
) -> ReleaseChallenge | None:
    """Expire what is due and end claims whose grant has expired; returns the live challenge."""
    live = session.execute(
        select(ReleaseChallenge).where(
            about(subject), ReleaseChallenge.state == ChallengeState.LIVE
        )
    ).scalar_one_or_none()
    if live is not None:
        if live.expires_at > now:
            return live
        fail_challenge(
            session,
            subject=subject,
            row=row,
            challenge=live,
            cause=EndCause.EXPIRED,
            at=live.expires_at,
            now=now,
        )
        return None
    stale = session.execute(
        select(ReleaseGrant.expires_at)
        .join(ReleaseChallenge, ReleaseChallenge.id == ReleaseGrant.challenge_id)
        .where(
            about(subject),
            ReleaseChallenge.state == ChallengeState.VERIFIED,
            ReleaseGrant.spent_at.is_(None),
        )
    ).scalars()
    expiries = list(stale)
    if expiries and max(expiries) <= now:
        row.executor_id = None
    return None


def _revoke_grants(
    session: Session,
    *,
    subject: ReleaseSubject,
    now: datetime,
    cause: EndCause = EndCause.REASSIGNED,
) -> None:
    """A verified code that was not spent releases nothing any more."""
    for challenge in session.execute(
        select(ReleaseChallenge)
        .join(ReleaseGrant, ReleaseGrant.challenge_id == ReleaseChallenge.id)
        .where(
            about(subject),
            ReleaseChallenge.state == ChallengeState.VERIFIED,
            ReleaseGrant.spent_at.is_(None),
        )
    ).scalars():
        end_challenge(session, challenge=challenge, cause=cause, at=now)


def sends_within_window(
    session: Session, *, subject_id: UUID, now: datetime
) -> tuple[int, datetime | None]:
    """How many codes were asked for within the window that limits them, and the first of them."""
    window = timedelta(seconds=settings.current().code_sends_window_seconds)
    row = session.execute(
        select(func.count(), func.min(ChallengeSend.created_at))
        .select_from(ChallengeSend)
        .join(ReleaseChallenge, ReleaseChallenge.id == ChallengeSend.challenge_id)
        .where(ReleaseChallenge.subject_id == subject_id, ChallengeSend.created_at > now - window)
    ).one()
    return row[0], row[1]


def _count_sends(session: Session, *, subject: ReleaseSubject, now: datetime) -> None:
    limits = settings.current()
    sent, first = sends_within_window(session, subject_id=subject.id, now=now)
    if sent >= limits.code_sends_max:
        assert first is not None, "what was sent has its time"
        window = timedelta(seconds=limits.code_sends_window_seconds)
        wait = (first + window - now).total_seconds()
        raise TooManyCodes(retry_after_seconds=max(1, int(wait) + 1))


def _owe_sending(session: Session, *, challenge: ReleaseChallenge) -> None:
    policy = company_settings.current(session)
    too_new = contacts.too_new(session, user_id=challenge.executor_id, now=session.info["now"])
    channels = [
        name
        for name, kind, wanted in (
            ("email", ContactKind.EMAIL, policy.code_by_email),
            ("sms", ContactKind.PHONE, policy.code_by_sms),
        )
        if wanted and kind not in too_new
    ]
    send = ChallengeSend(
        company_id=challenge.company_id,
        challenge_id=challenge.id,
        channel=",".join(channels) or "totp",
        created_at=session.info["now"],
    )
    session.add(send)
    session.flush()  # its key is the outbox message's
    if channels:
        outbox.enqueue(session, topic="otp.send", key=send.id)


def _bare_subject(challenge: ReleaseChallenge) -> ReleaseSubject:
    """Enough of a subject to find its row and its challenges."""
    return ReleaseSubject(
        kind=challenge.subject_kind,
        id=challenge.subject_id,
        digest=b"",
        amount=Decimal(0),
        currency="",
        payee_text="",
    )


def _detail(subject: ReleaseSubject) -> dict[str, str]:
    return {
        "kind": subject.kind,
        "id": str(subject.id),
        "amount": str(subject.amount),
        "currency": subject.currency,
    }
