"""The worker's part: make a code, keep its keyed digest, hand the text to the mail and SMS rooms.

The plaintext exists in the memory of one task only: it is not stored, queued or logged.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import ContactKind, Membership, User
from pettycash.models.releases import ChallengeSend, ChallengeState, ReleaseChallenge
from pettycash.runtime import db, settings
from pettycash.services.access import contacts
from pettycash.services.foundation import outbox
from pettycash.services.releases.challenges import EXPIRY_TOPIC
from pettycash.services.releases.checking import keyed_digest
from pettycash.services.releases.subjects import kind_of


@dataclass(frozen=True, kw_only=True)
class CodeMessage:
    """A code on its way to a person; never shown by `repr`."""

    subject: str
    text: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    claimed_at: datetime
    """Names the claim under which the code was made; a later claim has made another code."""
    due_at: datetime | None
    """When the outbox message would have been due without the claim."""


SEND_TOPIC = "otp.send"


def new_code() -> str:
    """Six digits; the seed is dropped at once (security.md row 5)."""
    return pyotp.HOTP(pyotp.random_base32()).at(0)


def make_code(session: Session, *, send_id: UUID, now: datetime) -> CodeMessage | None:
    """Make the code of one request, replacing any earlier one; None where it came too late.

    None, too, while another worker is sending one. After a crash, when its claim has ended, a new
    code is made, and only the newest one counts.
    """
    challenge_id = session.execute(
        select(ChallengeSend.challenge_id).where(ChallengeSend.id == send_id)
    ).scalar_one_or_none()
    if challenge_id is None:
        return None
    challenge = db.lock(session, ReleaseChallenge, challenge_id)
    send = db.lock(session, ChallengeSend, send_id)
    assert send is not None, "a request to send is never deleted"
    newest = session.execute(
        select(ChallengeSend.id)
        .where(ChallengeSend.challenge_id == challenge_id)
        .order_by(ChallengeSend.sequence.desc())
        .limit(1)
    ).scalar_one()
    if (
        challenge is None
        or challenge.state is not ChallengeState.LIVE
        or challenge.expires_at <= now
        or newest != send_id
        or send.delivered_at is not None
    ):
        outbox.complete(session, topic=SEND_TOPIC, key=send_id)
        return None
    lease = timedelta(seconds=settings.current().claim_lease_seconds)
    if send.claimed_at is not None and send.claimed_at + lease > now:
        outbox.lease(session, topic=SEND_TOPIC, key=send_id, until=send.claimed_at + lease)
        return None
    send.claimed_at = now
    due_at = outbox.lease(session, topic=SEND_TOPIC, key=send_id, until=now + lease)
    code = new_code()
    lifetime = settings.current().code_lifetime_seconds
    challenge.code_digest = keyed_digest(code, challenge.id)
    challenge.sent_at = now
    challenge.expires_at = now + timedelta(seconds=lifetime)
    outbox.reschedule(session, topic=EXPIRY_TOPIC, key=challenge.id, due_at=challenge.expires_at)
    person, membership = session.execute(
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .where(User.id == challenge.executor_id)
    ).one()
    too_new = contacts.too_new(session, user_id=challenge.executor_id, now=now)
    channels = send.channel.split(",")
    return CodeMessage(
        subject="Your release code",
        text=(
            f"{code} releases\n"
            + "\n".join(kind_of(challenge.subject_kind).lines(session, challenge.subject_id))
            + f"\nIt is valid for {lifetime // 60} minutes, unless a newer one is sent."
            " If you did not ask for it, tell your treasury."
        ),
        email=person.email if "email" in channels and ContactKind.EMAIL not in too_new else None,
        phone=membership.phone if "sms" in channels and ContactKind.PHONE not in too_new else None,
        claimed_at=now,
        due_at=due_at,
    )


def code_delivered(session: Session, *, send_id: UUID, message: CodeMessage, now: datetime) -> None:
    """The code left; the outbox message is completed, unless a later claim has replaced it."""
    send = db.lock(session, ChallengeSend, send_id)
    if send is not None and send.claimed_at == message.claimed_at:
        send.delivered_at = now
        outbox.complete(session, topic=SEND_TOPIC, key=send_id)


def code_not_delivered(session: Session, *, send_id: UUID, message: CodeMessage) -> None:
    """The message left by no way: the claim ends at once, and the code is made anew."""
    send = db.lock(session, ChallengeSend, send_id)
    if send is not None and send.claimed_at == message.claimed_at:
        send.claimed_at = None
        outbox.end_lease(session, topic=SEND_TOPIC, key=send_id, due_at=message.due_at)
