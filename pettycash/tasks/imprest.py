"""Replenishments by the clock: what no payment has noticed is noticed here."""

import logging
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.runtime import db, errors
from pettycash.services.imprest import replenishments
from pettycash.tasks.periodic import periodic_task

logger = logging.getLogger(__name__)


@periodic_task("replenishments.sweep")
def sweep() -> None:
    """Consider every active fund of every company, each in a transaction of its own.

    Safe to run twice and at once; one fund in trouble does not keep the others waiting.
    """
    with db.system_transaction() as session:
        companies = list(session.execute(select(Company.id).where(Company.is_active)).scalars())
    for company_id in companies:
        with db.scope(company_id=company_id):
            _sweep_company()


def _sweep_company() -> None:
    with db.transaction() as session:
        funds = replenishments.active_funds(session)
    for fund_id in funds:
        try:
            db.in_transaction(partial(_look_after, fund_id))
        except (errors.PettycashError, DBAPIError):
            logger.exception("a fund could not be considered", extra={"fund_id": str(fund_id)})


def _look_after(fund_id: UUID, session: Session) -> None:
    replenishments.sweep(session, fund_id=fund_id, now=session.info["now"])
