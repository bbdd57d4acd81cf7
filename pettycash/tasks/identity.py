"""What signing in leaves behind, removed in batches."""

from celery import shared_task

from pettycash import db
from pettycash.services.identity import upkeep

BATCH_SIZE = 10_000


@shared_task(name="identity.sweep_out")
def sweep_out(**_from_newer_publishers: object) -> None:
    """Remove counters that count no more and sessions that ended long ago."""
    with db.scope(source="task:identity.sweep_out"):
        while True:
            with db.system_transaction() as session:
                removed = upkeep.remove_old(session, limit=BATCH_SIZE, now=session.info["now"])
            if removed < BATCH_SIZE:
                return
