"""Processing what rails reported, from the inbox."""

from pettycash import db
from pettycash.crash_points import crash_point
from pettycash.services import callbacks
from pettycash.tasks.outbox_tasks import Job, outbox_task


@outbox_task("callbacks.process")
def process(job: Job) -> None:
    """Do what one stored callback proves; in the order in which they are looked at."""
    crash_point("callbacks.delivered")
    db.in_transaction(
        lambda session: callbacks.process(session, callback_id=job.key, now=session.info["now"])
    )
    crash_point("callbacks.processed")
