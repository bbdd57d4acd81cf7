"""The nightly run: started where a company's night has come, advanced until it is closed."""

from datetime import datetime, timedelta

from celery import shared_task
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash import clock, db
from pettycash.models.organisation import Company
from pettycash.models.reconciliation import RunStatus
from pettycash.services import company_settings, outbox, reconciliation
from pettycash.tasks.running import Duty, owed_task

NIGHT_BEGINS_HOUR = 1
"""Company time (domain.md §8)."""

LOOK_AGAIN = timedelta(seconds=5)


@shared_task(name="reconciliation.run_nightly")
def run_nightly(**_from_newer_publishers: object) -> None:
    """Start the run of the business day before, in every company whose night has come.

    Harmless however often it is called, and late calls make up for missed ones: a day that has a
    run is left alone.
    """
    with db.scope(source="task:reconciliation.run_nightly"):
        with db.system_transaction() as session:
            companies = list(session.execute(select(Company.id).where(Company.is_active)).scalars())
        for company_id in companies:
            with db.scope(company_id=company_id), db.transaction() as session:
                _start_if_due(session, session.info["now"])


def _start_if_due(session: Session, now: datetime) -> None:
    timezone = company_settings.current(session).timezone
    today = clock.business_date(now, timezone)
    if now < clock.at_local(today, NIGHT_BEGINS_HOUR, timezone):
        return
    yesterday = today - timedelta(days=1)
    if reconciliation.newest(session, yesterday) is None:
        reconciliation.start(session, business_date=yesterday, now=now)


@owed_task(reconciliation.RUN_TOPIC)
def run(duty: Duty) -> None:
    """Take a run one step further; it is owed until it is closed."""
    with db.transaction() as session:
        now = session.info["now"]
        found = reconciliation.advance(session, run_id=duty.key, now=now)
        if found.status is not RunStatus.CLOSED:
            outbox.postpone(session, topic=duty.topic, key=duty.key, due_at=now + LOOK_AGAIN)
