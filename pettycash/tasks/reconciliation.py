"""The nightly run: started at a company's nightly hour, advanced until it is closed."""

import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.models.reconciliation import ReconciliationRun, RunStatus
from pettycash.runtime import db, errors
from pettycash.runtime.crash_points import crash_point
from pettycash.services import reconciliation
from pettycash.services.foundation import outbox
from pettycash.tasks.outbox_tasks import Job, outbox_task
from pettycash.tasks.periodic import periodic_task

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 300.0
STEP_SECONDS = 900
"""A company's books are read whole: a request's limit would end a large run each time."""

NEXT_LOOK = timedelta(seconds=5)


@periodic_task("reconciliation.run_nightly")
def run_nightly() -> None:
    """Start the run of the business day before, in every company whose nightly hour has come.

    Harmless however often it is called, and late calls make up for missed ones; one company in
    trouble does not keep the others waiting.
    """
    with db.system_transaction() as session:
        companies = list(session.execute(select(Company.id).where(Company.is_active)).scalars())
    for company_id in companies:
        with db.scope(company_id=company_id):
            try:
                db.in_transaction(_start_due)
            except (errors.PettycashError, DBAPIError):
                logger.exception(
                    "the nightly run of a company could not begin",
                    extra={"company_id": str(company_id)},
                )


def _start_due(session: Session) -> None:
    reconciliation.start_due(session, now=session.info["now"])


@outbox_task(reconciliation.RUN_TOPIC, seconds=STEP_SECONDS)
def run(job: Job) -> None:
    """Take a run as far as it goes; its message is open until it is closed."""
    if advance(job.key).status is RunStatus.CLOSED:
        return

    def reschedule(session: Session) -> None:
        due_at = session.info["now"] + NEXT_LOOK
        outbox.reschedule(session, topic=job.topic, key=job.key, due_at=due_at)

    db.in_transaction(reschedule)


def advance(run_id: UUID) -> ReconciliationRun:
    """Take a run as far as it goes now, for whoever has nothing else open.

    Each question is a unit of work; so are the matching, the reading of the books at one instant,
    and the writing of what was found. Killed between two of them, it goes on where it was.
    """

    def step(session: Session) -> reconciliation.Step:
        return reconciliation.advance(session, run_id=run_id, now=session.info["now"])

    def match(session: Session) -> None:
        db.allow_long_statements(session, seconds=STATEMENT_SECONDS)
        reconciliation.match(session, run_id=run_id)

    def close(session: Session) -> None:
        db.allow_long_statements(session, seconds=STATEMENT_SECONDS)
        reconciliation.close(session, run_id=run_id, report=report, now=session.info["now"])

    while (done := db.in_transaction(step)) is reconciliation.Step.ASKED:
        pass
    if done is reconciliation.Step.DUE:
        db.in_transaction(match)
        with db.snapshot() as session:
            db.allow_long_statements(session, seconds=STATEMENT_SECONDS)
            report = reconciliation.examine(session, run_id=run_id)
        db.in_transaction(close)
    crash_point("reconciliation.stepped")
    with db.transaction() as session:
        return reconciliation.find_run(session, run_id)
