"""Remove in batches what signing in leaves behind."""

from pettycash import db
from pettycash.services.identity import upkeep
from pettycash.tasks.periodic import periodic_task

BATCH_SIZE = 10_000


@periodic_task("identity.sweep_out")
def sweep_out() -> None:
    """Remove counters that count no more and sessions that ended long ago."""
    while True:
        with db.system_transaction() as session:
            removed = upkeep.remove_old(session, limit=BATCH_SIZE, now=session.info["now"])
        if removed < BATCH_SIZE:
            return
