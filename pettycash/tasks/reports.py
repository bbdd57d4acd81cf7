"""Files that are too long to be made at once."""

import tempfile
from functools import partial

from sqlalchemy.orm import Session

from pettycash.runtime import db, errors
from pettycash.services.reports import runs
from pettycash.tasks.outbox_tasks import Job, outbox_task
from pettycash.tasks.periodic import periodic_task

STATEMENT_SECONDS = 1200.0
RUN_SECONDS = 1500


@outbox_task(runs.TOPIC, seconds=RUN_SECONDS)
def make(job: Job) -> None:
    """Make the file of a run from one snapshot, then keep it whole in one transaction."""
    with tempfile.TemporaryFile() as out:
        try:
            with db.snapshot() as session:
                db.allow_long_statements(session, seconds=STATEMENT_SECONDS)
                rows = runs.write(session, run_id=job.key, out=out)
        except errors.PettycashError as refusal:
            db.in_transaction(partial(runs.fail, run_id=job.key, code=refusal.code))
            return
        if rows is None:
            return

        def keep(session: Session) -> None:
            runs.keep(session, run_id=job.key, out=out, rows=rows)

        db.in_transaction(keep)


@periodic_task("reports.sweep_out")
def sweep_out() -> None:
    """Remove files whose day is over."""
    with db.system_transaction() as session:
        runs.remove_expired(session)
