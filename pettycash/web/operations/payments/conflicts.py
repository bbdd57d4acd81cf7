"""An approval turns out to be void at an act: it is settled, and the act is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pettycash.models.payments import Payment
from pettycash.services.foundation import duties
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import conflicts
from pettycash.web.idempotency import refuse_and_store


@contextmanager
def settled(
    uow: Uow, *, requisition_id: UUID | None = None, payment_id: UUID | None = None
) -> Iterator[None]:
    """Let others approve what a void approval was given for; the refusal is told all the same.

    Stands around a service that checks before it does anything.
    """
    try:
        yield
    except duties.ApprovalVoid as refusal:
        found = requisition_id or uow.session.get_one(Payment, payment_id).requisition_id
        conflicts.settle(uow, requisition_id=found)
        raise refuse_and_store(refusal) from refusal
