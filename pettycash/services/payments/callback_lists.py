"""The list of stored callbacks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from pettycash.models.payments import Callback, PaymentAttempt
from pettycash.runtime.sanitising import sanitise_body
from pettycash.services.foundation.listings import Find, Listing, days, exact, flag, many
from pettycash.services.foundation.uow import Uow


def to_response(callback: Callback, payment_id: UUID | None) -> dict[str, Any]:
    """A stored callback, sanitised: its secrets were cut out before, numbers are masked now."""
    return {
        "id": callback.id,
        "payment_id": payment_id,
        "lost_attempt_id": callback.lost_attempt_id,
        "purpose": callback.purpose,
        "content_type": callback.content_type,
        "remote_address": callback.remote_address,
        "body": sanitise_body(bytes(callback.body)),
        "deliveries": callback.deliveries,
        "processed_at": callback.processed_at,
        "verdict": callback.verdict,
        "created_at": callback.created_at,
    }


def _shown(_uow: Uow, rows: Sequence[tuple[Callback, UUID | None]]) -> list[dict[str, Any]]:
    return [to_response(callback, payment_id) for callback, payment_id in rows]


CALLBACKS = Listing(
    name="callbacks.list",
    query=select(Callback, PaymentAttempt.payment_id).outerjoin(
        PaymentAttempt, PaymentAttempt.id == Callback.attempt_id
    ),
    filters={
        "payment_id": exact(PaymentAttempt.payment_id),
        "purpose": many(Callback.purpose),
        "verdict": exact(Callback.verdict, longest=20),
        "is_processed": flag(Callback.processed_at.is_not(None)),
        **days(Callback.created_at),
    },
    find=Find(
        exact=(
            PaymentAttempt.originator_reference,
            PaymentAttempt.provider_reference,
            Callback.remote_address,
        ),
        text="The whole of our reference, of the provider's or of an address.",
    ),
    orders={"newest": (Callback.id.desc(),), "oldest": (Callback.id,)},
    show=_shown,
    columns=(
        "created_at",
        "payment_id",
        "purpose",
        "verdict",
        "deliveries",
        "processed_at",
        "remote_address",
    ),
)
