"""The e-mails of notices: what a person is to hear at once, or once a day, in one of them.

An e-mail is claimed in a commit of its own before it is sent, by the rows that it tells of, so that
two workers never send the same one. Who dies between the mail server's yes and the record of it
leaves a claim that ends, and the e-mail is sent once more: at least once is all that SMTP offers.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Membership, User
from pettycash.models.notices import Notice, Timing
from pettycash.runtime import clock, settings
from pettycash.services.foundation import company_settings, outbox
from pettycash.services.foundation.outbox import NewMessage

logger = logging.getLogger(__name__)

DIGEST_TOPIC = "notifications.digest"
"""Of a message whose key is the person."""

MORNING_HOUR = 7
"""Company time at which the e-mail of a day leaves."""

TOLD_MAX = 50
"""Notices that one e-mail tells of; the list has them all."""

RETRY = timedelta(minutes=5)

GIVEN_UP_AFTER = timedelta(days=2)
"""What could not be mailed for so long is old: it stays in the list, and no e-mail tells of it."""


@dataclass(frozen=True, kw_only=True)
class NoticeMail:
    """An e-mail on its way, its message of the outbox, and the claim under which it was written."""

    topic: str
    key: UUID
    address: str = field(repr=False)
    subject: str
    text: str
    notice_ids: Sequence[UUID]
    claimed_at: datetime

    @property
    def messages(self) -> Sequence[UUID]:
        """The keys of the messages that it answers."""
        return [self.key] if self.topic == DIGEST_TOPIC else self.notice_ids


def last_morning(session: Session, *, now: datetime) -> datetime:
    """The last instant at which e-mails of a day were due in the company."""
    timezone = company_settings.current(session).timezone
    today = clock.business_date(now, timezone)
    due = clock.at_local(today, MORNING_HOUR, timezone)
    return due if due <= now else clock.at_local(today - clock.ONE_DAY, MORNING_HOUR, timezone)


def enqueue_daily(session: Session, *, now: datetime) -> None:
    """Enqueue the e-mail of the day of everybody who has one to get.

    Harmless however often it is called: what is told is not due again, and what comes after the
    morning waits for the next.
    """
    people = session.execute(
        select(Notice.user_id)
        .distinct()
        .where(
            Notice.sent_at.is_(None),
            Notice.timing == Timing.DAILY,
            Notice.created_at < last_morning(session, now=now),
        )
        .order_by(Notice.user_id)
    ).scalars()
    messages = [NewMessage(topic=DIGEST_TOPIC, key=each) for each in people]
    if messages:
        outbox.enqueue_all(session, messages)


def claim(session: Session, *, topic: str, key: UUID, now: datetime) -> NoticeMail | None:
    """Claim all that one person is to hear now, and write the e-mail.

    None where there is nothing to tell, while another worker is at it, or where the person left.
    """
    rows = _locked(session, *_to_tell(session, topic=topic, key=key, now=now))
    lease = timedelta(seconds=settings.current().claim_lease_seconds)
    busy_until = max((row.claimed_at + lease for row in rows if row.claimed_at), default=now)
    if busy_until > now:
        outbox.lease(session, topic=topic, key=key, until=busy_until)
        return None
    address = _address(session, rows[0].user_id) if rows else None
    for row in rows:
        if address is None or row.created_at < now - GIVEN_UP_AFTER:
            row.timing = Timing.OFF
            logger.warning("a notice is not mailed", extra={"notice_id": str(row.id)})
    told = [row for row in rows if row.timing is not Timing.OFF]
    if address is None or not told:
        outbox.complete(session, topic=topic, key=key)
        return None
    for row in told:
        row.claimed_at = now
    outbox.lease(session, topic=topic, key=key, until=now + lease)
    code = session.get_one(Company, told[0].company_id).code
    what = told[0].subject if len(told) == 1 else f"{len(told)} notices"
    return NoticeMail(
        topic=topic,
        key=key,
        address=address,
        subject=f"[pettycash {code}] {what}",
        text=_text(told),
        notice_ids=[row.id for row in told],
        claimed_at=now,
    )


def _to_tell(
    session: Session, *, topic: str, key: UUID, now: datetime
) -> Sequence[ColumnElement[bool]]:
    """Conditions of the notices that the e-mail of a message tells of."""
    if topic == DIGEST_TOPIC:
        person, timing, before = key, Timing.DAILY, last_morning(session, now=now)
    else:
        mine = select(Notice.user_id).where(Notice.id == key, Notice.sent_at.is_(None))
        found = session.execute(mine).scalar_one_or_none()
        if found is None:
            return [false()]
        person, timing, before = found, Timing.AT_ONCE, now
    return [
        Notice.user_id == person,
        Notice.timing == timing,
        Notice.sent_at.is_(None),
        Notice.created_at < before,
    ]


def sent(session: Session, mail: NoticeMail, *, now: datetime) -> None:
    """The e-mail left; a later claim, which sent it once more, marks it itself."""
    claimed = _claimed(session, mail)
    for row in claimed:
        row.sent_at = now
    if claimed:
        outbox.complete_all(session, topic=mail.topic, keys=mail.messages)


def not_sent(session: Session, mail: NoticeMail, *, now: datetime) -> None:
    """The mail server did not take it: the claim ends, and it is tried again in a while."""
    claimed = _claimed(session, mail)
    for row in claimed:
        row.claimed_at = None
    if claimed:
        for each in mail.messages:
            outbox.reschedule(session, topic=mail.topic, key=each, due_at=now + RETRY)


def _claimed(session: Session, mail: NoticeMail) -> Sequence[Notice]:
    return _locked(
        session,
        Notice.id.in_(mail.notice_ids),
        Notice.claimed_at == mail.claimed_at,
        Notice.sent_at.is_(None),
    )


def _locked(session: Session, *which: ColumnElement[bool]) -> Sequence[Notice]:
    return (
        session.execute(
            select(Notice)
            .where(*which)
            .order_by(Notice.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )


def _address(session: Session, user_id: UUID) -> str | None:
    """Where a person is reached who is still here."""
    return session.execute(
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(User.id == user_id, User.is_active, Membership.is_active, User.email != "")
    ).scalar_one_or_none()


def _text(told: Sequence[Notice]) -> str:
    base = settings.current().api_url
    parts = [f"{each.sentence}\n{base}{each.path}" for each in told[:TOLD_MAX]]
    if len(told) > 1:
        parts = [f"{each.subject}\n{part}" for each, part in zip(told, parts, strict=False)]
    if len(told) > TOLD_MAX:
        parts.append(f"And {len(told) - TOLD_MAX} more.")
    parts.append(f"How you wish to be told: {base}/console/me/")
    return "\n\n".join(parts) + "\n"
