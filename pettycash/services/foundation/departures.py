"""Somebody leaves, or loses a role: what waits for them is owed to others (`approvals.leaving`)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.services.foundation import outbox

TOPIC = "approvals.hand_over"


def enqueue(session: Session, *, user_id: UUID, at: datetime | None = None) -> None:
    """Owe others what waits for a person, from now or from the end of a role on."""
    outbox.enqueue(session, topic=TOPIC, key=user_id, due_at=at)
