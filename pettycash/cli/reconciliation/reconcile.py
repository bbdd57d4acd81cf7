"""`reconcile --date D`: run the nightly reconciliation of a day now, and say what it found."""

import json
import sys
import time
from datetime import date, datetime
from typing import Any

import click
from sqlalchemy import select

from pettycash.cli import tables
from pettycash.cli.composed import composed
from pettycash.models.access import Company
from pettycash.models.reconciliation import ReconciliationRun, RunStatus
from pettycash.runtime import clock, db
from pettycash.services import reconciliation
from pettycash.services.foundation import company_settings
from pettycash.tasks.reconciliation import advance

MISMATCHES = 1
STILL_WAITING = 2
POLL_SECONDS = 0.5


@click.command()
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The business day, in company time (default: yesterday).",
)
@click.option("--company", "code", help="Code of one company (default: every active one).")
@click.option("--wait", "wait_seconds", default=60.0, help="How long rails may take to answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def reconcile(day: datetime | None, code: str | None, wait_seconds: float, as_json: bool) -> None:
    """Match a day's books with themselves and its payments with what the rails proved.

    Exit code 0: all matched; 1: there are mismatches; 2: a rail has not answered yet (workers go on
    with the run; call again to see it).
    """
    companies = _companies(code)
    runs = [_run(company, day.date() if day else None, wait_seconds) for company in companies]
    if as_json:
        click.echo(json.dumps({"runs": runs}, indent=2))
    else:
        _print(runs)
    if any(run["status"] != RunStatus.CLOSED.value for run in runs):
        sys.exit(STILL_WAITING)
    sys.exit(MISMATCHES if any(run["mismatches"] for run in runs) else 0)


def _companies(code: str | None) -> list[Company]:
    with db.system_transaction() as session:
        query = select(Company).where(Company.is_active).order_by(Company.code)
        if code is not None:
            query = query.where(Company.code == code)
        found = list(session.execute(query).scalars())
    if not found:
        raise click.ClickException(
            f"there is no active company {code}" if code else "there is no active company yet"
        )
    return found


def _run(company: Company, day: date | None, wait_seconds: float) -> dict[str, Any]:
    until = time.monotonic() + wait_seconds
    with db.scope(company_id=company.id, source="cli:reconcile"):
        with db.transaction() as session:
            now = session.info["now"]
            timezone = company_settings.current(session).timezone
            business_date = day or clock.business_date(now, timezone) - clock.ONE_DAY
            run_id = reconciliation.start(session, business_date=business_date, now=now).id
        while True:
            run = advance(run_id)
            shown = _as_json(run, company.code)
            if run.status is RunStatus.CLOSED or time.monotonic() > until:
                return shown
            time.sleep(POLL_SECONDS)


def _as_json(run: ReconciliationRun, company: str) -> dict[str, Any]:
    return {
        "company": company,
        "id": str(run.id),
        "business_date": run.business_date.isoformat(),
        "sequence": run.sequence,
        "status": run.status.value,
        "counts": run.counts,
        "totals": run.totals,
        "mismatches": run.mismatches,
    }


def _print(runs: list[dict[str, Any]]) -> None:
    columns = ("company", "day", "run", "status", "matched", "settled", "mismatches")
    tables.show(
        "Reconciliation",
        columns,
        (
            (
                run["company"],
                run["business_date"],
                run["sequence"],
                run["status"],
                run["counts"].get("matched", 0),
                ", ".join(f"{code} {amount}" for code, amount in run["totals"].items()) or "-",
                len(run["mismatches"]),
            )
            for run in runs
        ),
    )
    for run in runs:
        for mismatch in run["mismatches"]:
            click.echo(json.dumps(mismatch))
