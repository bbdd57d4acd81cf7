"""One-time links: a person sets their own password, and nobody learns it (control.md §6).

A worker makes the token when it sends the message, so that it is neither queued nor kept; the
database has its digest. A message that comes again, once the claim of the worker before has ended,
replaces the link of the one before.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Membership, SignInLink, User
from pettycash.models.base import new_id
from pettycash.runtime import db, errors, settings
from pettycash.services.access.identity import sessions, throttles
from pettycash.services.foundation import encryption, outbox, security_log
from pettycash.services.foundation.actors import Actor

TOPIC = "notifications.sign_in_link"
PREFIX = "pc_link_"
LIFE = timedelta(days=3)


class LinkRefused(errors.NotAuthenticated):
    """The link was used, has expired or is unknown; ask an administrator for a new one."""

    code = "auth.link_refused"


@dataclass(frozen=True, kw_only=True)
class LinkMessage:
    """A link on its way to its owner; never shown by `repr`."""

    email: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


def enqueue(session: Session, *, user_id: UUID, actor: Actor | None) -> None:
    """Owe a person of this company a link, sent to their own address.

    `actor` is None on the host's command line. Links that were made before are worthless at once.
    """
    enqueue_all(session, user_ids=[user_id], actor=actor)


def enqueue_all(session: Session, *, user_ids: Sequence[UUID], actor: Actor | None) -> None:
    """Owe several people each a link; see `enqueue`."""
    if not user_ids:
        return
    _void(session, user_ids)
    made = [
        SignInLink(
            id=new_id(),
            company_id=session.info["scope"].company_id,
            user_id=user_id,
            made_by=None if actor is None else actor.user_id,
        )
        for user_id in user_ids
    ]
    session.add_all(made)
    outbox.enqueue_all(session, [outbox.NewMessage(topic=TOPIC, key=each.id) for each in made])


def void(session: Session, *, user_id: UUID) -> None:
    """Make the links of a person worthless, those that are still to be sent too."""
    _void(session, [user_id])


def _void(session: Session, user_ids: Sequence[UUID]) -> None:
    session.execute(
        update(SignInLink)
        .where(SignInLink.user_id.in_(user_ids), SignInLink.used_at.is_(None))
        .values(digest=None, used_at=session.info["now"])
    )


def void_sent(session: Session, *, now: datetime) -> int:
    """Make everybody's links worthless that have left (owner); returns how many there were.

    Those that are still to be sent hold no secret yet.
    """
    ended = session.execute(
        update(SignInLink)
        .where(SignInLink.digest.is_not(None), SignInLink.used_at.is_(None))
        .values(digest=None, used_at=now)
        .returning(SignInLink.id)
    ).scalars()
    return len(ended.all())


def make(session: Session, *, link_id: UUID, now: datetime) -> LinkMessage | None:
    """Make the token of a link that is to be sent; None where it came too late.

    None, too, while another worker is sending it: of two tokens the first would be worthless.
    """
    link = db.lock(session, SignInLink, link_id)
    if link is None or link.used_at is not None:
        outbox.complete(session, topic=TOPIC, key=link_id)
        return None
    lease = timedelta(seconds=settings.current().claim_lease_seconds)
    if link.expires_at is not None and link.expires_at - LIFE + lease > now:
        outbox.lease(session, topic=TOPIC, key=link_id, until=link.expires_at - LIFE + lease)
        return None
    outbox.lease(session, topic=TOPIC, key=link_id, until=now + lease)
    token = f"{PREFIX}{secrets.token_urlsafe(encryption.TOKEN_BYTES)}"
    link.digest = encryption.token_digest(token)
    link.expires_at = now + LIFE
    user = session.get_one(User, link.user_id)
    company = session.get_one(Company, link.company_id)
    return LinkMessage(
        email=user.email,
        subject=f"[pettycash {company.code}] set your password",
        text=(
            f"Your user name is {user.username}. Set a password within three days, once, by\n"
            f"POST {settings.current().api_url}/api/auth/links/ with the token\n\n"
            f"{token}\n\nNobody else has it. If you did not expect this, tell your company.\n"
        ),
    )


def sent(session: Session, *, link_id: UUID) -> None:
    """The message has left."""
    outbox.complete(session, topic=TOPIC, key=link_id)


def owner(session: Session, *, token: str, now: datetime) -> tuple[User, Company]:
    """The owner of a link, and the company that it is of (system role).

    Raises:
        LinkRefused: it opens nothing.
    """
    row = session.execute(
        select(User, Company)
        .join(SignInLink, SignInLink.user_id == User.id)
        .join(Company, Company.id == SignInLink.company_id)
        .join(Membership, (Membership.user_id == User.id) & (Membership.company_id == Company.id))
        .where(
            SignInLink.digest == encryption.token_digest(token),
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > now,
            User.is_active,
            Membership.is_active,
            Company.is_active,
        )
    ).one_or_none()
    if row is None:
        raise LinkRefused
    return row[0], row[1]


def use(session: Session, *, token: str, new_hash: str, now: datetime) -> None:
    """Spend a link on the hash of a password that was checked (system role).

    All sessions of its owner end, and the account's failed sign-ins are forgotten.

    Raises:
        LinkRefused: it opens nothing, or somebody was quicker.
    """
    user, company = owner(session, token=token, now=now)
    locked = db.lock(session, User, user.id)
    spent = session.execute(
        update(SignInLink)
        .where(SignInLink.digest == encryption.token_digest(token), SignInLink.used_at.is_(None))
        .values(used_at=now)
        .returning(SignInLink.id)
    ).scalar_one_or_none()
    if locked is None or spent is None:
        raise LinkRefused
    locked.password_hash = new_hash
    locked.password_changed_at = now
    locked.version += 1
    sessions.end_all(session, user_id=locked.id, reason="password_set", now=now)
    throttles.reopen_account(session, username=locked.username)
    security_log.record(
        session,
        event="auth.password_set",
        outcome="ok",
        detail={"link_id": str(spent)},
        user_id=locked.id,
        company_id=company.id,
    )
