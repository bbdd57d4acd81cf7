"""Keys of machine clients: they raise, read and upload on behalf of people, and never decide.

A key is shown once and kept as a digest; it lives 365 days at most (security.md row 9). It opens
nothing until a second person has confirmed it, and both count as requesters of what it raises
(control.md §6). A reporting key acts for nobody and reads what an auditor reads.
"""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from pettycash.models.access import (
    ApiKey,
    Company,
    Membership,
    Role,
    RoleAssignment,
    ScopeKind,
    User,
)
from pettycash.models.base import new_id
from pettycash.models.operations import Change
from pettycash.runtime import db, errors
from pettycash.services.access import organisation
from pettycash.services.access.identity import people, usernames
from pettycash.services.access.identity.people import ActiveMember, ClientInfo
from pettycash.services.foundation import decisions, encryption, permissions
from pettycash.services.foundation.actors import REPORT, Actor, HeldRole
from pettycash.services.foundation.live_roles import live_assignments
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes

KIND = "api_key"
CONFIRMERS = frozenset({Role.ADMIN, Role.OPERATOR})
"""The cfo stands in only where neither exists."""
WARNING = (
    "Who makes or confirms a key counts as requester of all that it raises: they approve, pay and"
    " judge none of it."
)
LIFE_MAX = timedelta(days=365)
PREFIX = "pc_key_"
SEEN_EVERY = timedelta(seconds=60)


class KeyRefused(errors.NotAuthenticated):
    """The API key is unknown, revoked or expired."""

    code = "api_key.refused"


class OnBehalfOfMissing(errors.RuleViolation):
    """A machine client must name a user's id or username in On-Behalf-Of."""

    code = "api_key.on_behalf_of_required"


class OnBehalfOfUnknown(errors.NotAllowed):
    """The person named in On-Behalf-Of is no active member of the client's company or unit."""

    code = "api_key.on_behalf_of_unknown"


class KeyNotFound(errors.NotFound):
    """There is no such API key in your company."""

    code = "api_key.not_found"


class KeyNameTaken(errors.Conflict):
    """An API key of that name exists already; names are never used again."""

    code = "api_key.name_taken"


class LifeTooLong(errors.RuleViolation):
    """An API key must end in the future, at most 365 days from now."""

    code = "api_key.life_too_long"


class ScopeUnknown(errors.RuleViolation):
    """Scopes of an API key are raise, read and upload, or report alone and for no unit."""

    code = "api_key.scope_unknown"


class TwoUnits(errors.RuleViolation):
    """An API key serves one unit, a branch or a department, or the whole company."""

    code = "api_key.two_units"


class KeyUnconfirmed(errors.NotAuthenticated):
    """The API key waits for a second person to confirm it."""

    code = "api_key.unconfirmed"


class KeyEnded(errors.Conflict):
    """The API key was revoked or expired before it was confirmed; make a new one."""

    code = "api_key.ended"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A live key and the person for whom it acts; nobody for a reporting key."""

    key: ApiKey
    company: Company
    member: ActiveMember | None

    def actor(self, client_info: ClientInfo) -> Actor:
        """The actor for services."""
        scopes = frozenset(self.key.scopes)
        if self.member is not None:
            return self.member.actor(client_info, client_id=self.key.id, client_scopes=scopes)
        return Actor(
            user_id=self.key.created_by,
            company_id=self.company.id,
            roles=(HeldRole(Role.AUDITOR, ScopeKind.COMPANY),),
            client_id=self.key.id,
            client_scopes=scopes,
            ip_address=client_info.ip_address,
            user_agent=client_info.user_agent,
        )


def create(
    uow: Uow,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime,
    reason: str | None = None,
    branch_id: UUID | None = None,
    department_id: UUID | None = None,
) -> tuple[ApiKey, str, Change]:
    """Make a key that a second person has to confirm.

    Returns the key, its text, which is nowhere kept, and the change that waits.

    Raises:
        ScopeUnknown, LifeTooLong, KeyNameTaken.
        UnknownUnit, TwoUnits: there is no such unit, or there are two.
    """
    session = uow.session
    unknown = sorted(set(scopes) - set(permissions.CLIENT_SCOPES))
    if unknown or not scopes:
        raise ScopeUnknown(errors={"scopes": [f"Unknown: {each}." for each in unknown]})
    units = {"branch_id": branch_id, "department_id": department_id}
    if REPORT in scopes and (set(scopes) != {REPORT} or any(units.values())):
        raise ScopeUnknown(errors={"scopes": ["`report` must be the only scope, and for no unit."]})
    if all(units.values()):
        raise TwoUnits(errors={"department_id": ["Name a branch or a department."]})
    organisation.check_places(session, units)
    if not uow.now < expires_at <= uow.now + LIFE_MAX:
        raise LifeTooLong(errors={"expires_at": ["Choose a time at most 365 days from now."]})
    taken = session.execute(select(ApiKey.id).where(ApiKey.name == name)).scalar_one_or_none()
    if taken is not None:
        raise KeyNameTaken
    prefix = f"{PREFIX}{secrets.token_hex(6)}"
    text = f"{prefix}_{secrets.token_urlsafe(encryption.TOKEN_BYTES)}"
    key = ApiKey(
        id=new_id(),
        company_id=uow.actor.company_id,
        name=name,
        prefix=prefix,
        digest=encryption.token_digest(text),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_by=uow.actor.user_id,
        **units,
    )
    session.add(key)
    session.flush()  # the answer shows when the database says it was created
    change = changes.propose(
        uow,
        kind=KIND,
        object_id=key.id,
        payload={
            "name": name,
            "scopes": key.scopes,
            "expires_at": expires_at.isoformat(),
            **{unit: str(value) for unit, value in units.items() if value is not None},
            "warning": WARNING,
        },
        reason=reason or f"A key for {name}.",
    )
    return key, text, change


def _confirm(uow: Uow, change: Change) -> None:
    """Let a key open what its scopes say, with the name of the second person on it."""
    key = None if change.object_id is None else db.lock(uow.session, ApiKey, change.object_id)
    if key is None:
        raise KeyNotFound
    if key.revoked_at is not None or key.expires_at <= uow.now:
        raise KeyEnded
    if not uow.actor.has(*CONFIRMERS) and _others(uow.session, but=key.created_by, now=uow.now):
        raise decisions.NotADecider("A second administrator or an operator confirms a key.")
    key.confirmed_by, key.confirmed_at = uow.actor.user_id, uow.now


def _others(session: Session, *, but: UUID, now: datetime) -> bool:
    """Whether somebody else than the creator may confirm a key by their role."""
    found = session.execute(
        live_assignments(now)
        .where(RoleAssignment.user_id != but, RoleAssignment.role.in_(CONFIRMERS))
        .limit(1)
    )
    return found.first() is not None


def revoke(uow: Uow, *, api_key_id: UUID) -> ApiKey:
    """End a key at once; ending it twice is the same.

    Raises:
        KeyNotFound: none such in this company.
    """
    key = db.lock(uow.session, ApiKey, api_key_id)
    if key is None:
        raise KeyNotFound
    if key.revoked_at is None:
        key.revoked_at, key.revoked_by = uow.now, uow.actor.user_id
    return key


def authenticate(session: Session, *, text: str, on_behalf_of: str, now: datetime) -> Client:
    """Authenticate an API key and the person for whom it acts (system role).

    Raises:
        KeyRefused, KeyUnconfirmed, OnBehalfOfMissing, OnBehalfOfUnknown.
    """
    key = session.execute(
        select(ApiKey).where(ApiKey.digest == encryption.token_digest(text))
    ).scalar_one_or_none()
    if key is None or key.revoked_at is not None or key.expires_at <= now:
        raise KeyRefused
    if key.confirmed_at is None:
        raise KeyUnconfirmed
    if key.last_used_at is None or key.last_used_at < now - SEEN_EVERY:
        session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))
    if REPORT in key.scopes:
        company = session.get_one(Company, key.company_id)
        if not company.is_active:
            raise KeyRefused
        return Client(key=key, company=company, member=None)
    if not on_behalf_of:
        raise OnBehalfOfMissing
    matches = [User.username == usernames.spelling(on_behalf_of)]
    with contextlib.suppress(ValueError):  # else it is a username
        matches.append(User.id == UUID(on_behalf_of))
    user_id = session.execute(select(User.id).where(or_(*matches)).limit(1)).scalar_one_or_none()
    member = user_id and people.active_member(
        session, user_id=user_id, company_id=key.company_id, now=now
    )
    if not member or not _serves(key, member.membership):
        raise OnBehalfOfUnknown
    return Client(key=key, company=member.company, member=member)


def _serves(key: ApiKey, membership: Membership) -> bool:
    return key.branch_id in (None, membership.branch_id) and key.department_id in (
        None,
        membership.department_id,
    )


changes.register(
    KIND, proposers=frozenset({Role.ADMIN}), confirmers=CONFIRMERS, apply=_confirm, alerts=True
)
