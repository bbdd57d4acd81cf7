"""`audit books`: every invariant of the books, and the rows that break one."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy import select

from pettycash.cli import tables
from pettycash.cli.composed import composed
from pettycash.cli.reconciliation.audit import ledgers
from pettycash.models.access import Company
from pettycash.runtime import db, settings
from pettycash.runtime.rails import Method
from pettycash.services.reconciliation import invariants
from pettycash.services.reconciliation.invariants import CheckResult, movements

BREAKS = 1
LEDGER_UNREADABLE = 2


@click.group()
def audit() -> None:
    """Check the invariants of the books."""


@audit.command()
@click.option("--company", "code", help="Code of one company (default: every one).")
@click.option("--fast", is_flag=True, help="Leave out what takes longer as history grows.")
@click.option(
    "--running",
    is_flag=True,
    help="Only what is late, or waits for somebody who can't act; no rail's ledger.",
)
@click.option(
    "--settled", is_flag=True, help="Nothing is under way any more: nothing may be left undecided."
)
@click.option(
    "--simulator",
    "url",
    help="M-Pesa simulator whose ledger is compared (default: the one of the settings).",
)
@click.option("--no-simulator", is_flag=True, help="Compare with no rail's ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def books(
    *,
    code: str | None,
    fast: bool,
    running: bool,
    settled: bool,
    url: str | None,
    no_simulator: bool,
    as_json: bool,
) -> None:
    """Check the invariants I1 to I8 and print the rows that break one.

    The simulator's ledger is compared with the payments of all companies, so not with --company.
    Exit code 0: all hold; 1: something is broken; 2: the simulator does not show its ledger.
    """
    began = time.monotonic()
    no_simulator = no_simulator or running
    if url and (code or no_simulator):
        raise click.UsageError(
            "--simulator goes with neither --company, --running nor --no-simulator"
        )
    url = url or settings.current().simulator_mpesa_url
    is_compared = bool(url) and not (code or no_simulator)
    companies = _companies(code)
    before = _known(companies) if is_compared else []
    checks = _checked(companies, fast=fast, running=running, settled=settled)
    moved: list[movements.Movement] = []
    if is_compared:
        try:
            moved = ledgers.movements(url)
        except ledgers.LedgerUnreadable as error:
            click.echo(f"pettycash: {error}", err=True)
            sys.exit(LEDGER_UNREADABLE)
        compared = movements.compare(
            before=before, movements=moved, after=_known(_companies(code)), settled=settled
        )
        checks = [*(each.as_json() for each in compared), *checks]
    checks.sort(key=lambda each: str(each["invariant"]))
    report = {
        "ok": all(each["ok"] for each in checks),
        "companies": len(companies),
        "simulator": url if is_compared else None,
        "movements": len(moved) if is_compared else None,
        "settled": settled,
        "seconds": round(time.monotonic() - began, 3),
        "checks": checks,
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report)
    sys.exit(0 if report["ok"] else BREAKS)


def _companies(code: str | None) -> list[Company]:
    with db.system_transaction() as session:
        query = select(Company).order_by(Company.code)
        if code is not None:
            query = query.where(Company.code == code)
        found = list(session.execute(query).scalars())
    if code is not None and not found:
        raise click.ClickException(f"there is no company {code}")
    return found


def _checked(
    companies: Sequence[Company], *, fast: bool, running: bool, settled: bool
) -> list[dict[str, Any]]:
    """Every check once, with the rows of all companies."""
    merged: dict[str, dict[str, Any]] = {}
    for company in companies:
        with db.scope(company_id=company.id, source="cli:audit"), db.snapshot() as session:
            db.allow_long_statements(session, seconds=None)  # years of books
            results = invariants.check_all(
                session,
                now=session.info["now"],
                fast=fast,
                running=running,
                settled=settled,
            )
        for result in results:
            _merge(merged, result, company)
    return list(merged.values())


def _merge(merged: dict[str, dict[str, Any]], result: CheckResult, company: Company) -> None:
    shown = result.as_json()
    into = merged.setdefault(result.check, {**shown, "ok": True, "rows": [], "seconds": 0.0})
    is_of_schema = invariants.CHECKS[result.check].is_of_schema
    if not is_of_schema:
        shown["rows"] = [{"company": company.code, **row} for row in shown["rows"]]
    into["rows"] += [row for row in shown["rows"] if not is_of_schema or row not in into["rows"]]
    into["ok"] = not into["rows"]
    into["seconds"] = round(into["seconds"] + shown["seconds"], 4)


def _known(companies: Sequence[Company]) -> list[movements.KnownAttempt]:
    found: list[movements.KnownAttempt] = []
    for company in companies:
        with db.scope(company_id=company.id, source="cli:audit"), db.snapshot() as session:
            db.allow_long_statements(session, seconds=None)  # years of books
            found += movements.known(session, method=Method.MPESA)
    return found


def _print(report: dict[str, Any]) -> None:
    tables.show(
        "The books",
        ("invariant", "check", "result", "rows", "seconds"),
        (
            (
                each["invariant"],
                each["check"],
                "holds" if each["ok"] else "BROKEN",
                len(each["rows"]),
                f"{each['seconds']:.3f}",
            )
            for each in report["checks"]
        ),
        paint=lambda column, cell: (
            {"holds": "green", "BROKEN": "bold red"}.get(cell) if column == "result" else None
        ),
    )
    for each in report["checks"]:
        for row in each["rows"]:
            click.echo(json.dumps({"check": each["check"], **row}))
