"""An approval turns out to be void at an act: it is settled, and the act is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.services.foundation import duties
from pettycash.services.payments import conflicts
from pettycash.web.admission import current_actor
from pettycash.web.idempotency import refuse_and_store


@contextmanager
def settled(
    session: Session, *, requisition_id: UUID | None = None, payment_id: UUID | None = None
) -> Iterator[None]:
    """Let others approve what a void approval was given for; the refusal is told all the same.

    Stands in a view under `@idempotent`, around a service that checks before it does anything.
    """
    try:
        yield
    except duties.ApprovalVoid as refusal:
        found = requisition_id or session.get_one(Payment, payment_id).requisition_id
        conflicts.settle(
            session, requisition_id=found, actor=current_actor(), now=session.info["now"]
        )
        raise refuse_and_store(refusal) from refusal
