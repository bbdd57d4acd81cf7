"""Lists of one's own sessions, of API keys and of the security log."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, select

from pettycash.models.access import ApiKey, AuthSession, SecurityEvent, User
from pettycash.runtime import settings
from pettycash.services.foundation import visibility
from pettycash.services.foundation.listings import Find, Listing, days, exact, flag, many
from pettycash.services.foundation.uow import Uow


class EventOutcome(StrEnum):
    """How it ended."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


def _live(uow: Uow) -> Select[AuthSession]:
    idle = timedelta(minutes=settings.current().session_idle_minutes)
    return select(AuthSession).where(
        AuthSession.revoked_at.is_(None),
        AuthSession.rotated_at.is_(None),
        AuthSession.ends_at > uow.now,
        AuthSession.last_seen_at > uow.now - idle,
    )


SESSIONS = Listing(
    name="sessions.list",
    query=_live,
    scope=lambda actor: AuthSession.user_id == actor.user_id,
    orders={"newest": (AuthSession.id.desc(),)},
)
"""One's own live sessions in the company."""

API_KEYS = Listing(
    name="api_keys.list",
    query=select(ApiKey),
    filters={
        "name": exact(ApiKey.name, longest=100),
        "created_by": many(ApiKey.created_by),
        "is_revoked": flag(ApiKey.revoked_at.is_not(None)),
    },
    find=Find(
        words=(ApiKey.name,),
        exact=(ApiKey.prefix,),
        text="Words of the name in any case, or the whole of a prefix.",
    ),
    orders={"newest": (ApiKey.id.desc(),), "oldest": (ApiKey.id,)},
    columns=("name", "prefix", "created_by", "created_at", "expires_at", "revoked_at"),
    people=("created_by", "confirmed_by", "revoked_by"),
)


def _events(_uow: Uow, rows: Sequence[tuple[SecurityEvent, str | None]]) -> list[dict[str, Any]]:
    return [
        {
            **{
                name: getattr(event, name)
                for name in (
                    "id",
                    "created_at",
                    "event",
                    "outcome",
                    "user_id",
                    "ip_address",
                    "request_id",
                    "detail",
                )
            },
            "username": username,
        }
        for event, username in rows
    ]


SECURITY_EVENTS = Listing(
    name="security_events.list",
    query=select(SecurityEvent, User.username).outerjoin(User, User.id == SecurityEvent.user_id),
    scope=visibility.security_events,
    filters={
        "event": many(SecurityEvent.event),
        "outcome": exact(SecurityEvent.outcome, EventOutcome),
        "user_id": many(SecurityEvent.user_id),
        "ip_address": exact(SecurityEvent.ip_address, longest=45),
        "request_id": exact(SecurityEvent.request_id, longest=64),
        **days(SecurityEvent.created_at),
    },
    find=Find(
        exact=(
            SecurityEvent.event,
            SecurityEvent.request_id,
            SecurityEvent.ip_address,
            User.username,
        ),
        text="The whole of an event, a request id, an address or a username.",
    ),
    orders={"newest": (SecurityEvent.id.desc(),), "oldest": (SecurityEvent.id,)},
    show=_events,
    columns=("created_at", "event", "outcome", "username", "ip_address", "request_id"),
    people=("user_id",),
)
