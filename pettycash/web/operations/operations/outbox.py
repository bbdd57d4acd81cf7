"""The outbox: what must happen and has not happened; operators retry it or give it up."""

from typing import Any
from uuid import UUID

from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import outbox_messages
from pettycash.services.operations.outbox_lists import OUTBOX_MESSAGES, to_response
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.inbox import EXAMPLE_OUTBOX_MESSAGE, OutboxMessageSchema

list_all = list_of(
    "outbox.list",
    OUTBOX_MESSAGES,
    "List outbox messages, the newest first.",
    answers=OutboxMessageSchema,
    example=EXAMPLE_OUTBOX_MESSAGE,
)

get = one_of(
    "outbox.get",
    OUTBOX_MESSAGES,
    outbox_messages.OutboxMessageNotFound,
    "Read an outbox message.",
    answers=OutboxMessageSchema,
    example=EXAMPLE_OUTBOX_MESSAGE,
)


@operation(
    "outbox.retry",
    answers=OutboxMessageSchema,
    example={
        **EXAMPLE_OUTBOX_MESSAGE,
        "state": "due",
        "attempts": 0,
        "failures": 0,
        "dead_lettered_at": None,
    },
)
@refuses(outbox_messages.OutboxMessageCompleted, outbox_messages.OutboxMessageNotFound)
def retry(uow: Uow, *, message_id: UUID) -> dict[str, Any]:
    """Make an outbox message due now, dead-lettered or not."""
    row = outbox_messages.retry(uow.session, message_id=message_id, actor=uow.actor, now=uow.now)
    return to_response(row, uow.now)


@operation("outbox.dead_letter", answers=OutboxMessageSchema, example=EXAMPLE_OUTBOX_MESSAGE)
@refuses(
    outbox_messages.OutboxMessageCompleted,
    outbox_messages.OutboxMessageGuardsMoney,
    outbox_messages.OutboxMessageInformsPeople,
    outbox_messages.OutboxMessageNotFound,
)
def dead_letter(uow: Uow, *, message_id: UUID) -> dict[str, Any]:
    """Keep the relay from a message until a person retries it."""
    row = outbox_messages.dead_letter(
        uow.session, message_id=message_id, actor=uow.actor, now=uow.now
    )
    return to_response(row, uow.now)
