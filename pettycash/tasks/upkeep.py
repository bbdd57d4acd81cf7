"""Upkeep of tables: partitions ahead of time, and nothing kept longer than promised."""

import logging

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash import db, errors, settings
from pettycash.services import dead_letters, outbox
from pettycash.tasks.periodic import periodic_task

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
    """Remove completed messages and kept answers that are past their time, in batches.

    Before that, open the cases of dead letters that a killed process left without one.
    """
    days = settings.current().idempotency_days
    _open_missing_cases()
    while True:
        with db.system_transaction() as session:
            removed = outbox.remove_old(session, days=days, limit=BATCH_SIZE)
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
