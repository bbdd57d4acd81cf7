"""The worker's part: make a code, keep its keyed digest, hand the text to the mail and SMS rooms.

The plaintext exists in the memory of one task only: it is not stored, queued or logged.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash import db, money, settings
from pettycash.models.funds import Fund
from pettycash.models.imprest import Replenishment
from pettycash.models.payments import Payment
from pettycash.models.people import Membership, User
from pettycash.models.releases import ChallengeSend, ChallengeState, ReleaseChallenge
from pettycash.services import outbox
from pettycash.services.releases.challenges import EXPIRY_TOPIC
from pettycash.services.releases.checking import keyed_digest


@dataclass(frozen=True, kw_only=True)
class CodeMessage:
    """A code on its way to a person; never shown by `repr`."""

    subject: str
    text: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)


def new_code() -> str:
    """Six digits; the seed is dropped at once (security.md row 5)."""
    return pyotp.HOTP(pyotp.random_base32()).at(0)


def make_code(session: Session, *, send_id: UUID, now: datetime) -> CodeMessage | None:
    """Make the code of one request, replacing any earlier one; None where it came too late.

    Runs again after a crash: then a new code is made, and only the newest one counts.
    """
    send = session.get(ChallengeSend, send_id)
    if send is None:
        return None
    challenge = db.lock(session, ReleaseChallenge, send.challenge_id)
    newest = session.execute(
        select(ChallengeSend.id)
        .where(ChallengeSend.challenge_id == send.challenge_id)
        .order_by(ChallengeSend.id.desc())
        .limit(1)
    ).scalar_one()
    if (
        challenge is None
        or challenge.state is not ChallengeState.LIVE
        or challenge.expires_at <= now
        or newest != send_id
    ):
        outbox.done(session, topic="otp.send", key=send_id)
        return None
    code = new_code()
    lifetime = settings.current().code_lifetime_seconds
    challenge.code_digest = keyed_digest(code, challenge.id)
    challenge.sent_at = now
    challenge.expires_at = now + timedelta(seconds=lifetime)
    outbox.postpone(session, topic=EXPIRY_TOPIC, key=challenge.id, due_at=challenge.expires_at)
    person, membership = session.execute(
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .where(User.id == challenge.executor_id)
    ).one()
    channels = send.channel.split(",")
    return CodeMessage(
        subject="Your release code",
        text=(
            f"{code} releases {_what(session, challenge)}."
            f" It is valid for {lifetime // 60} minutes."
            " If you did not ask for it, tell your treasury."
        ),
        email=person.email if "email" in channels else None,
        phone=membership.phone if "sms" in channels else None,
    )


def code_delivered(session: Session, *, send_id: UUID, now: datetime) -> None:
    """The message left; the obligation is done."""
    send = session.get(ChallengeSend, send_id)
    if send is not None:
        send.delivered_at = now
    outbox.done(session, topic="otp.send", key=send_id)


def _what(session: Session, challenge: ReleaseChallenge) -> str:
    """Amount and payee, so that nobody releases what they do not see (security.md row 7)."""
    if challenge.payment_id is not None:
        payment = session.get_one(Payment, challenge.payment_id)
        amount = money.text(payment.amount, payment.currency)
        return f"{payment.currency} {amount} to {payment.payee_name} ({payment.number})"
    found = session.get_one(Replenishment, challenge.replenishment_id)
    fund = session.get_one(Fund, found.fund_id)
    amount = money.text(found.approved_amount or found.requested_amount, found.currency)
    return f"{found.currency} {amount} to the fund {fund.name} ({found.number})"
