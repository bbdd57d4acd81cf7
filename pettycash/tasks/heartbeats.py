"""A heartbeat per queue: its arrival shows that beat, broker and a worker of that queue live."""

from celery import shared_task

from pettycash import db
from pettycash.services import heartbeats


@shared_task(name="heartbeats.beat")
def beat(*, queue: str, **_from_newer_publishers: object) -> None:
    """Leave a sign of life of a queue."""
    with db.scope(source="task:heartbeats.beat"), db.system_transaction() as session:
        heartbeats.beat(session, name=f"queue:{queue}", now=session.info["now"])
