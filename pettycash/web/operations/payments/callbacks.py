"""Stored callbacks: what rails reported, as operators see it."""

from typing import Any
from uuid import UUID

from pettycash.models.payments import PaymentAttempt
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import callbacks
from pettycash.services.payments.callback_lists import CALLBACKS, to_response
from pettycash.services.payments.callbacks import CallbackNotFound
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.inbox import EXAMPLE_CALLBACK, CallbackSchema

list_all = list_of(
    "callbacks.list",
    CALLBACKS,
    "List stored callbacks, the newest first.",
    answers=CallbackSchema,
    example=EXAMPLE_CALLBACK,
)

get = one_of(
    "callbacks.get",
    CALLBACKS,
    CallbackNotFound,
    "Read a stored callback.",
    answers=CallbackSchema,
    example=EXAMPLE_CALLBACK,
)


@operation(
    "callbacks.replay",
    status=202,
    answers=CallbackSchema,
    example={**EXAMPLE_CALLBACK, "processed_at": None, "verdict": None},
)
@refuses(CallbackNotFound)
def replay(uow: Uow, *, callback_id: UUID) -> dict[str, Any]:
    """Have a stored callback processed again; what it proved before, it proves once."""
    replayed = callbacks.replay(uow, callback_id=callback_id)
    attempt = uow.session.get(PaymentAttempt, replayed.attempt_id)
    return to_response(replayed, attempt.payment_id if attempt is not None else None)
