"""The days for which a company's nightly run is due (domain.md §8)."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.models.reconciliation import ReconciliationRun
from pettycash.runtime import clock
from pettycash.services.foundation import company_settings
from pettycash.services.reconciliation.runs import DEADLINE, lock_turn, start

NIGHTLY_HOUR = 1
"""Company time (domain.md §8)."""

CATCH_UP_DAYS = 31
"""How far back missed days are caught up."""


def start_due(session: Session, *, now: datetime) -> list[ReconciliationRun]:
    """Start the runs of yesterday, once the nightly hour has come, and of each missed day.

    Harmless however often and by however many it is called. A run that asked while its day still
    lasted does not count: it could not see what came after it.
    """
    timezone = company_settings.current(session).timezone
    today = clock.business_date(now, timezone)
    if now < clock.at_local(today, NIGHTLY_HOUR, timezone):
        return []
    lock_turn(session)
    yesterday = today - clock.ONE_DAY
    runs = session.execute(
        select(ReconciliationRun.business_date, ReconciliationRun.deadline_at).where(
            ReconciliationRun.business_date >= yesterday - timedelta(days=CATCH_UP_DAYS),
            ReconciliationRun.business_date <= yesterday,
        )
    ).all()
    whole = {
        day
        for day, deadline_at in runs
        if deadline_at - DEADLINE >= clock.day_bounds(day, timezone)[1]
    }
    began_at = session.get_one(Company, session.info["scope"].company_id).created_at
    began = clock.business_date(began_at, timezone)
    # A company that began today had nothing to reconcile, and its first run says so.
    day = min(max(began, yesterday - timedelta(days=CATCH_UP_DAYS)), yesterday)
    started = []
    while day <= yesterday:
        if day not in whole:
            started.append(start(session, business_date=day, now=now))
        day += clock.ONE_DAY
    return started
