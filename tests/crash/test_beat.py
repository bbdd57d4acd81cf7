"""Beat is killed again and again, and is away for days: what is due is done once, and all of it."""

import time
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import create_engine, select, text

from pettycash.models.reconciliation import ReconciliationRun
from pettycash.runtime import clock, db
from pettycash.services.foundation import company_settings
from pettycash.services.operations import heartbeats
from pettycash.services.reconciliation.nightly import NIGHTLY_HOUR
from tests.crash.system import System
from tests.factories.people import company_id
from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

KILLS = [
    pytest.param(3, 0.5, id="quickly"),
    pytest.param(10, 60.0, id="each-minute", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]
DAYS_AWAY = 3
DAY = timedelta(days=1)
DONE_SECONDS = 30.0


def nights(company: UUID) -> list[tuple[date, int]]:
    """Day and number of every run of a company."""
    with db.scope(company_id=company), db.transaction() as session:
        rows = session.execute(
            select(ReconciliationRun.business_date, ReconciliationRun.sequence).order_by(
                ReconciliationRun.business_date, ReconciliationRun.sequence
            )
        )
        return [(row.business_date, row.sequence) for row in rows]


def last_night(company: UUID) -> date:
    """The newest day whose night has come."""
    with db.scope(company_id=company), db.transaction() as session:
        now, timezone = session.info["now"], company_settings.current(session).timezone
    today = clock.business_date(now, timezone)
    has_come = now >= clock.at_local(today, NIGHTLY_HOUR, timezone)
    return today - DAY if has_come else today - 2 * DAY


def days_pass(system: System, company: UUID, days: int) -> None:
    """A company, and all that its nights have done, is so many days older."""
    engine = create_engine(system.database.owner_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text(
                "UPDATE companies SET created_at = created_at - make_interval(days => :days)"
                " WHERE id = :company"
            ),
            {"days": days, "company": company},
        )
        connection.execute(
            text(
                "UPDATE reconciliation_runs SET business_date = business_date - :days,"
                " deadline_at = deadline_at - make_interval(days => :days)"
                " WHERE company_id = :company"
            ),
            {"days": days, "company": company},
        )
    engine.dispose()


def beat_leads(system: System) -> None:
    """Start beat, in place of one that is killed, and wait until it leads."""
    began = time.monotonic()
    system.restart("beat")

    def has_signed() -> bool:
        elapsed = time.monotonic() - began
        with db.scope(source="test"), db.system_transaction() as session:
            signs = {each.name: each for each in heartbeats.signs(session, now=session.info["now"])}
        age = signs["beat"].age_seconds
        return age is not None and age < elapsed

    assert wait_until(has_signed, 20), system.logs()


@pytest.mark.parametrize(("kills", "apart"), KILLS)
def test_beat_killed_each_minute_and_away_for_days_does_all_that_is_due_once(
    system: System, kills: int, apart: float
) -> None:
    """Each new beat begins with everything at once, as nobody may have beaten for long."""
    company = company_id("OTHER")
    first = nights(company)[-1:] or [(last_night(company), 1)]
    paid = system.payment()
    system.release(paid)
    for _ in range(kills):
        beat_leads(system)
        time.sleep(apart)
    system.kill("beat")
    assert wait_until(lambda: nights(company), DONE_SECONDS), system.logs()
    assert nights(company)[-1:] == first

    days_pass(system, company, DAYS_AWAY)
    before = nights(company)
    time.sleep(1)
    assert nights(company) == before, "nobody asks for a night while beat is away"
    for _ in range(2):  # the second begins with everything again
        beat_leads(system)
    missed = [(last_night(company) - DAY * ago, 1) for ago in range(DAYS_AWAY)][::-1]
    assert wait_until(lambda: nights(company) == before + missed, DONE_SECONDS), nights(company)
    time.sleep(1)
    assert nights(company) == before + missed
    system.await_success(paid)
    system.assert_paid_once(paid)
