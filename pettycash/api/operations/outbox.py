"""The outbox: what must happen and has not happened; operators retry it or give it up."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.operations import outbox_messages
from pettycash.services.operations.outbox_lists import OUTBOX_MESSAGES, to_response
from pettycash.services.operations.outbox_messages import (
    OutboxMessageCompleted,
    OutboxMessageGuardsMoney,
    OutboxMessageInformsPeople,
    OutboxMessageNotFound,
)
from pettycash.web.admission import current_actor, operation
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.inbox import (
    EXAMPLE_OUTBOX_MESSAGE,
    OutboxMessageSchema,
)

blp = Blueprint(
    "outbox",
    __name__,
    url_prefix="/api/outbox",
    description="What must happen, as rows; messages are only hints to look at them.",
)


@blp.route("/")
class OutboxMessages(MethodView):
    @operation("outbox.list")
    @blp.arguments(query_of(OUTBOX_MESSAGES), location="query")
    @blp.response(200, page_of(OutboxMessageSchema), example=example_page(EXAMPLE_OUTBOX_MESSAGE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List outbox messages, the newest first."""
        with transaction() as session:
            return page(session, OUTBOX_MESSAGES, current_actor(), arguments)


@blp.route("/<uuid:message_id>/retry/")
class OutboxRetry(MethodView):
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
    @refuses(OutboxMessageCompleted, OutboxMessageNotFound)
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
    @operation("outbox.dead_letter")
    @idempotent()
    @blp.response(200, OutboxMessageSchema, example=EXAMPLE_OUTBOX_MESSAGE)
    @refuses(
        OutboxMessageCompleted,
        OutboxMessageGuardsMoney,
        OutboxMessageInformsPeople,
        OutboxMessageNotFound,
    )
    def post(self, message_id: UUID) -> dict[str, Any]:
        """Keep the relay from a message until a person retries it."""
        with transaction() as session:
            now = session.info["now"]
            row = outbox_messages.dead_letter(
                session, message_id=message_id, actor=current_actor(), now=now
            )
            return to_response(row, now)
