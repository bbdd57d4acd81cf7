"""Keys of machine clients: they raise, read and upload on behalf of people, and never decide.

A key is shown once and kept as a digest; it lives 365 days at most (security.md row 9).
"""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.base import new_id
from pettycash.models.identity import ApiKey
from pettycash.models.people import User
from pettycash.services import permissions, secrets_box
from pettycash.services.actors import Actor
from pettycash.services.identity import people, usernames
from pettycash.services.identity.people import Placed

LIFE_MAX = timedelta(days=365)
PREFIX = "pc_key_"
SEEN_EVERY = timedelta(seconds=60)


class KeyRefused(errors.NotAuthenticated):
    """The API key is unknown, revoked or expired."""

    code = "api_key.refused"


class OnBehalfOfMissing(errors.RuleViolation):
    """A machine client says for whom it acts: On-Behalf-Of with the user's id or username."""

    code = "api_key.on_behalf_of_required"


class OnBehalfOfUnknown(errors.NotAllowed):
    """The person for whom the client acts is not an active member of its company."""

    code = "api_key.on_behalf_of_unknown"


class KeyNotFound(errors.NotFound):
    """There is no such API key in your company."""

    code = "api_key.not_found"


class KeyNameTaken(errors.Conflict):
    """An API key of that name exists already; names are never used again."""

    code = "api_key.name_taken"


class LifeTooLong(errors.RuleViolation):
    """An API key ends in the future, 365 days from now at the latest."""

    code = "api_key.life_too_long"


class ScopeUnknown(errors.RuleViolation):
    """Scopes of an API key are raise, read and upload."""

    code = "api_key.scope_unknown"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A live key and the person for whom it acts."""

    key: ApiKey
    placed: Placed


def create(
    session: Session,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime,
    actor: Actor,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Make a key; returns it with its text, which is nowhere kept.

    Raises:
        ScopeUnknown, LifeTooLong, KeyNameTaken.
    """
    unknown = sorted(set(scopes) - set(permissions.CLIENT_SCOPES))
    if unknown or not scopes:
        raise ScopeUnknown(errors={"scopes": [f"Unknown: {each}." for each in unknown]})
    if not now < expires_at <= now + LIFE_MAX:
        raise LifeTooLong(errors={"expires_at": ["365 days from now at the latest."]})
    taken = session.execute(select(ApiKey.id).where(ApiKey.name == name)).scalar_one_or_none()
    if taken is not None:
        raise KeyNameTaken
    prefix = f"{PREFIX}{secrets.token_hex(6)}"
    text = f"{prefix}_{secrets.token_urlsafe(secrets_box.TOKEN_BYTES)}"
    key = ApiKey(
        id=new_id(),
        company_id=actor.company_id,
        name=name,
        prefix=prefix,
        digest=secrets_box.token_digest(text),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_by=actor.user_id,
    )
    session.add(key)
    session.flush()  # the answer shows when the database says it was created
    return key, text


def revoke(session: Session, *, api_key_id: UUID, actor: Actor, now: datetime) -> ApiKey:
    """End a key at once; ending it twice is the same.

    Raises:
        KeyNotFound: none such in this company.
    """
    key = db.lock(session, ApiKey, api_key_id)
    if key is None:
        raise KeyNotFound
    if key.revoked_at is None:
        key.revoked_at, key.revoked_by = now, actor.user_id
    return key


def authenticate(session: Session, *, text: str, on_behalf_of: str, now: datetime) -> Client:
    """Whose key this is and for whom it acts (system role).

    Raises:
        KeyRefused, OnBehalfOfMissing, OnBehalfOfUnknown.
    """
    key = session.execute(
        select(ApiKey).where(ApiKey.digest == secrets_box.token_digest(text))
    ).scalar_one_or_none()
    if key is None or key.revoked_at is not None or key.expires_at <= now:
        raise KeyRefused
    if not on_behalf_of:
        raise OnBehalfOfMissing
    matches = [User.username == usernames.spelling(on_behalf_of)]
    with contextlib.suppress(ValueError):  # else it is a username
        matches.append(User.id == UUID(on_behalf_of))
    user_id = session.execute(select(User.id).where(or_(*matches)).limit(1)).scalar_one_or_none()
    placed = user_id and people.place(session, user_id=user_id, company_id=key.company_id, now=now)
    if not placed:
        raise OnBehalfOfUnknown
    if key.last_used_at is None or key.last_used_at < now - SEEN_EVERY:
        session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))
    return Client(key=key, placed=placed)
