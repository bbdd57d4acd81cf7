"""The outbox: what must happen and has not happened; operators retry it or give it up."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import ColumnElement, select, true

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, optional, page, page_of
from pettycash.api.schemas.inbox import (
    EXAMPLE_OUTBOX_MESSAGE,
    OutboxMessageSchema,
    OutboxQuery,
    OutboxState,
)
from pettycash.db import transaction
from pettycash.models.platform import OutboxMessage
from pettycash.services import outbox_messages

blp = Blueprint(
    "outbox",
    __name__,
    url_prefix="/api/outbox",
    description="What must happen, as rows; messages are only hints to look at them.",
)


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


def _in_state(state: OutboxState | None, now: datetime) -> ColumnElement[bool]:
    is_open = OutboxMessage.completed_at.is_(None) & OutboxMessage.dead_lettered_at.is_(None)
    match state:
        case None:
            return true()
        case OutboxState.COMPLETED:
            return OutboxMessage.completed_at.is_not(None)
        case OutboxState.DEAD_LETTERED:
            return OutboxMessage.dead_lettered_at.is_not(None) & OutboxMessage.completed_at.is_(
                None
            )
        case OutboxState.DUE:
            return is_open & (OutboxMessage.due_at <= now)
        case OutboxState.WAITING:
            return is_open & (OutboxMessage.due_at > now)


@blp.route("/")
class OutboxMessages(MethodView):
    """All outbox messages of the company."""

    @operation("outbox.list")
    @blp.arguments(OutboxQuery, location="query")
    @blp.response(200, page_of(OutboxMessageSchema), example=example_page(EXAMPLE_OUTBOX_MESSAGE))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List outbox messages, the newest first."""
        with transaction() as session:
            now = session.info["now"]
            query = select(OutboxMessage).where(
                optional(OutboxMessage.topic, arguments["topic"]),
                optional(OutboxMessage.key, arguments["key"]),
                _in_state(arguments["state"], now),
            )
            found = page(session, query, order=(OutboxMessage.id.desc(),), arguments=arguments)
            return {**found, "items": [to_response(row, now) for row in found["items"]]}


@blp.route("/<uuid:message_id>/retry/")
class OutboxRetry(MethodView):
    """Another try, now."""

    @operation("outbox.retry")
    @idempotent()
    @blp.response(
        200,
        OutboxMessageSchema,
        example={
            **EXAMPLE_OUTBOX_MESSAGE,
            "state": "due",
            "attempts": 0,
            "failures": 0,
            "dead_lettered_at": None,
        },
    )
    @blp.alt_response(404, description="outbox.not_found")
    @blp.alt_response(409, description="outbox.completed")
    def post(self, message_id: UUID) -> dict[str, Any]:
        """Make an outbox message due now, dead-lettered or not."""
        with transaction() as session:
            now = session.info["now"]
            row = outbox_messages.retry(
                session, message_id=message_id, actor=current_actor(), now=now
            )
            return to_response(row, now)


@blp.route("/<uuid:message_id>/dead-letter/")
class OutboxDeadLettering(MethodView):
    """No more tries."""

    @operation("outbox.dead_letter")
    @idempotent()
    @blp.response(200, OutboxMessageSchema, example=EXAMPLE_OUTBOX_MESSAGE)
    @blp.alt_response(404, description="outbox.not_found")
    @blp.alt_response(409, description="outbox.completed")
    @blp.alt_response(422, description="outbox.guards_money, outbox.informs_people")
    def post(self, message_id: UUID) -> dict[str, Any]:
        """Keep the relay from a message until a person retries it."""
        with transaction() as session:
            now = session.info["now"]
            row = outbox_messages.dead_letter(
                session, message_id=message_id, actor=current_actor(), now=now
            )
            return to_response(row, now)
