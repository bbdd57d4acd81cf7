"""The nightly run: started where a company's night has come, advanced until it is closed."""

import logging
from datetime import timedelta

from celery import shared_task
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.crash_points import reach
from pettycash.models.organisation import Company
from pettycash.models.reconciliation import RunStatus
from pettycash.services import outbox, reconciliation
from pettycash.tasks.running import Duty, owed_task

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 300.0
STEP_SECONDS = 900
"""A company's books are read whole: what a request may take would end a large night each night."""

LOOK_AGAIN = timedelta(seconds=5)


@shared_task(name="reconciliation.run_nightly")
def run_nightly(**_from_newer_publishers: object) -> None:
    """Start the run of the business day before, in every company whose night has come.

    Harmless however often it is called, and late calls make up for missed ones; one company in
    trouble does not keep the others waiting.
    """
    with db.scope(source="task:reconciliation.run_nightly"):
        with db.system_transaction() as session:
            companies = list(session.execute(select(Company.id).where(Company.is_active)).scalars())
        for company_id in companies:
            with db.scope(company_id=company_id):
                try:
                    db.in_transaction(_start_due)
                except (errors.PettycashError, DBAPIError):
                    logger.exception(
                        "the night of a company could not begin",
                        extra={"company_id": str(company_id)},
                    )


def _start_due(session: Session) -> None:
    reconciliation.start_due(session, now=session.info["now"])


@owed_task(reconciliation.RUN_TOPIC, seconds=STEP_SECONDS)
def run(duty: Duty) -> None:
    """Take a run one step further; it is owed until it is closed."""

    def step(session: Session) -> None:
        db.take_time(session, seconds=STATEMENT_SECONDS)
        now = session.info["now"]
        found = reconciliation.advance(session, run_id=duty.key, now=now)
        if found.status is not RunStatus.CLOSED:
            outbox.postpone(session, topic=duty.topic, key=duty.key, due_at=now + LOOK_AGAIN)

    db.in_transaction(step)
    reach("reconciliation.stepped")
