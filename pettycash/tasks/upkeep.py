"""What keeps tables in shape: partitions ahead of time, and nothing kept longer than promised."""

from celery import shared_task
from sqlalchemy import text

from pettycash import db, settings
from pettycash.services import outbox

PARTITIONS_AHEAD_MONTHS = 2
BATCH_SIZE = 10_000


@shared_task(name="ledger.ensure_partitions")
def ensure_partitions(**_from_newer_publishers: object) -> None:
    """Make the partitions of the coming months."""
    with db.scope(source="task:ledger.ensure_partitions"), db.system_transaction() as session:
        session.execute(
            text("SELECT ensure_partitions(:months)"), {"months": PARTITIONS_AHEAD_MONTHS}
        )


@shared_task(name="outbox.sweep_out")
def sweep_out(**_from_newer_publishers: object) -> None:
    """Remove done obligations and kept answers that are past their time, in batches."""
    days = settings.current().idempotency_days
    with db.scope(source="task:outbox.sweep_out"):
        while True:
            with db.system_transaction() as session:
                removed = outbox.remove_old(session, days=days, limit=BATCH_SIZE)
            if removed < BATCH_SIZE:
                return
