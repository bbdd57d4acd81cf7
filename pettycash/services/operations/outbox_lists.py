"""The list of outbox messages."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from pettycash.models.operations import OutboxMessage
from pettycash.services.foundation.listings import (
    Condition,
    Filter,
    Find,
    Listing,
    days,
    exact,
)
from pettycash.services.foundation.uow import Uow


class OutboxState(StrEnum):
    """Where an outbox message stands."""

    DUE = "due"
    WAITING = "waiting"
    DEAD_LETTERED = "dead_lettered"
    COMPLETED = "completed"


def to_response(row: OutboxMessage, now: datetime) -> dict[str, Any]:
    """An outbox message with where it stands."""
    facts = {column.key: getattr(row, column.key) for column in OutboxMessage.__table__.columns}
    if row.completed_at is not None:
        state = OutboxState.COMPLETED
    elif row.dead_lettered_at is not None:
        state = OutboxState.DEAD_LETTERED
    else:
        state = OutboxState.DUE if row.due_at <= now else OutboxState.WAITING
    return {**facts, "state": state}


def _in_state(state: OutboxState, uow: Uow) -> Condition:
    is_open = OutboxMessage.completed_at.is_(None) & OutboxMessage.dead_lettered_at.is_(None)
    match state:
        case OutboxState.COMPLETED:
            return OutboxMessage.completed_at.is_not(None)
        case OutboxState.DEAD_LETTERED:
            return OutboxMessage.dead_lettered_at.is_not(None) & OutboxMessage.completed_at.is_(
                None
            )
        case OutboxState.DUE:
            return is_open & (OutboxMessage.due_at <= uow.now)
        case OutboxState.WAITING:
            return is_open & (OutboxMessage.due_at > uow.now)


def _shown(uow: Uow, rows: Sequence[OutboxMessage]) -> list[dict[str, Any]]:
    return [to_response(row, uow.now) for row in rows]


OUTBOX_MESSAGES = Listing(
    name="outbox.list",
    query=select(OutboxMessage),
    filters={
        "topic": exact(OutboxMessage.topic, longest=100),
        "key": exact(OutboxMessage.key),
        "state": Filter(kind=OutboxState, where=_in_state),
        **days(OutboxMessage.created_at),
    },
    find=Find(
        exact=(OutboxMessage.topic, OutboxMessage.request_id),
        text="The whole of a topic or of a request's id.",
    ),
    orders={"newest": (OutboxMessage.id.desc(),), "oldest": (OutboxMessage.id,)},
    show=_shown,
    columns=("created_at", "topic", "key", "state", "due_at", "attempts", "failures", "last_error"),
)
