"""Phones and e-mails of members as they change: codes wait a day, the old address is told.

Whoever takes over an officer's phone or mailbox, or has an administrator who enters another one,
gets no release code by it for a day; an authenticator app goes on (control.md §6).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Contact, ContactKind, Membership, User
from pettycash.services.foundation import outbox

TOPIC = "notifications.contact_changed"
COOLING_OFF = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The notice to an address that a person has given up; `repr` does not show it."""

    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    subject: str
    text: str


def too_new(session: Session, *, user_id: UUID, now: datetime) -> frozenset[ContactKind]:
    """Ways to a person that are theirs for less than a day, but for those that they came with."""
    found = session.execute(
        select(Contact.kind)
        .join(Membership, Membership.user_id == Contact.user_id)
        .where(
            Contact.user_id == user_id,
            Contact.held_until.is_(None),
            Contact.held_from > now - COOLING_OFF,
            Contact.held_from > Membership.created_at,
        )
    ).scalars()
    return frozenset(found)


def enqueue_notices(session: Session, *, user_id: UUID) -> None:
    """Enqueue a notice to each address that a person has just given up, in the same commit."""
    session.flush()  # triggers end the contacts that were held
    ended = session.execute(
        select(Contact.id).where(
            # Their clock is the database's own, which may be another one than the product's.
            Contact.user_id == user_id,
            Contact.held_until == func.now(),
        )
    ).scalars()
    for contact_id in ended:
        outbox.enqueue(session, topic=TOPIC, key=contact_id)


def notice(session: Session, *, contact_id: UUID) -> Notice:
    """The notice that is to be sent to an address."""
    contact = session.get_one(Contact, contact_id)
    user = session.get_one(User, contact.user_id)
    company = session.get_one(Company, contact.company_id)
    is_mail = contact.kind is ContactKind.EMAIL
    way = "e-mail address" if is_mail else "phone number"
    return Notice(
        email=contact.value if is_mail else None,
        phone=None if is_mail else contact.value,
        subject=f"[pettycash {company.code}] your {way} was changed",
        text=(
            f"The {way} of {user.username} at {company.name} was changed."
            " If you did not expect this, tell your company at once."
        ),
    )


def sent(session: Session, *, contact_id: UUID) -> None:
    """The message has left."""
    outbox.complete(session, topic=TOPIC, key=contact_id)
