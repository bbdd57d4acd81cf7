"""Tasks of operations.

Telling people by e-mail of a severe case, and of events of the security log.

A heartbeat per queue: its arrival shows that beat, broker and a worker of that queue live.

Upkeep of tables: partitions ahead of time, and nothing kept longer than promised.
"""

import logging

from celery import shared_task
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.gateways import mail
from pettycash.runtime import db, errors, settings
from pettycash.services.foundation import notices, outbox
from pettycash.services.operations import (
    case_alerts,
    cases,
    dead_letters,
    heartbeats,
    security_alerts,
)
from pettycash.tasks.delivery import NobodyReached
from pettycash.tasks.outbox_tasks import Job, outbox_task
from pettycash.tasks.periodic import periodic_task


@outbox_task(cases.ALERT_TOPIC)
def send_alert(job: Job) -> None:
    """Tell treasury, the cfo and operators. After a crash it may be told twice, never not at all.

    Raises:
        NobodyReached: nobody in the company is to be told; it comes again.
        MailNotDelivered: the mail server did not take it; it comes again.
    """
    with db.transaction() as session:
        alert = case_alerts.pending(session, case_id=job.key, now=session.info["now"])
    if alert is None:
        return
    if not alert.addresses:
        raise NobodyReached("nobody holds a role that is told of cases")
    mail.send(to=alert.addresses, subject=alert.subject, text=alert.text)
    with db.transaction() as session:
        case_alerts.sent(session, case_id=job.key, now=session.info["now"])


@outbox_task(security_alerts.TOPIC)
def send_security_alert(job: Job) -> None:
    """Tell those whom an event concerns; where a company has nobody of them, nobody.

    Raises:
        MailNotDelivered: the mail server did not take it; it comes again.
    """
    with db.transaction() as session:
        alert = security_alerts.pending(session, event_id=job.key, now=session.info["now"])
    if alert.addresses:
        mail.send(to=alert.addresses, subject=alert.subject, text=alert.text)
    with db.transaction() as session:
        security_alerts.sent(session, event_id=job.key)


@shared_task(name="heartbeats.beat")
def beat(*, queue: str, **_from_newer_publishers: object) -> None:
    """Leave a sign of life of a queue."""
    with db.scope(source="task:heartbeats.beat"), db.system_transaction() as session:
        heartbeats.beat(session, name=f"queue:{queue}", now=session.info["now"])


logger = logging.getLogger(__name__)

PARTITIONS_AHEAD_MONTHS = 2
BATCH_SIZE = 10_000


@periodic_task("ledger.ensure_partitions")
def ensure_partitions() -> None:
    """Make the partitions of the coming months, each in a unit of work of its own.

    One that can't be made keeps no other from being made: somebody is working on its table, and the
    next call tries again; or rows of its month lie in the default partition, where they are as good
    (the audit tells of them).
    """
    with db.system_transaction() as session:
        wanted = session.execute(WANTED, {"ahead": PARTITIONS_AHEAD_MONTHS}).all()
    for table, month in wanted:
        try:
            with db.system_transaction() as session:
                session.execute(
                    text("SELECT ensure_partition(:table, :month)"),
                    {"table": table, "month": month},
                )
        except DBAPIError:
            logger.exception(
                "a partition could not be made", extra={"table": table, "month": str(month)}
            )


WANTED = text(
    """
    SELECT name, (date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month')::date
    FROM partitioned_tables, generate_series(0, :ahead) AS n ORDER BY n, name
    """
)


@periodic_task("outbox.sweep_out")
def sweep_out() -> None:
    """Remove completed messages, kept answers and notices that are past their time, in batches.

    Before that, open the cases of dead letters that a killed process left without one.
    """
    days = settings.current().idempotency_days
    _open_missing_cases()
    while True:
        with db.system_transaction() as session:
            removed = max(
                outbox.remove_old(session, days=days, limit=BATCH_SIZE),
                notices.remove_old(session, limit=BATCH_SIZE),
            )
        if removed < BATCH_SIZE:
            return


def _open_missing_cases() -> None:
    with db.system_transaction() as session:
        companies = dead_letters.companies(session)
    for company_id in companies:
        with db.scope(company_id=company_id):
            try:
                db.in_transaction(_open_cases)
            except (errors.PettycashError, DBAPIError):
                logger.exception(
                    "cases of dead-lettered messages could not be opened",
                    extra={"company_id": str(company_id)},
                )


def _open_cases(session: Session) -> None:
    for message_id in dead_letters.open_missing_cases(session, now=session.info["now"]):
        logger.error(
            "the case of a dead-lettered message was missing",
            extra={"message_id": str(message_id)},
        )
