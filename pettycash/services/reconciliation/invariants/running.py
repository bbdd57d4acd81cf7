"""Running checks within a company's scope, and what is overdue."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.services.reconciliation.invariants.checks import Check, CheckResult, Finding, Holds
from pettycash.services.reconciliation.invariants.control import CONTROL
from pettycash.services.reconciliation.invariants.imprest_identity import IDENTITY
from pettycash.services.reconciliation.invariants.judging import JUDGING
from pettycash.services.reconciliation.invariants.ledger import LEDGER
from pettycash.services.reconciliation.invariants.limits import LIMITS
from pettycash.services.reconciliation.invariants.payments import LOOKED_AFTER, ON_RECORD, ONCE
from pettycash.services.reconciliation.invariants.records import RECORDS
from pettycash.services.reconciliation.invariants.roles import ROLES
from pettycash.services.reconciliation.invariants.standing import STANDING

CHECKS: Mapping[str, Check] = {
    each.name: each
    for each in (
        *ONCE,
        *LEDGER,
        IDENTITY,
        *ON_RECORD,
        *RECORDS,
        *LOOKED_AFTER,
        *LIMITS,
        *ROLES,
        *CONTROL,
        *JUDGING,
        *STANDING,
    )
}
"""Every check by its name."""

OVERDUE = timedelta(seconds=60)
"""How late what is due may be (reliability.md §2, I6)."""

EVER = datetime(1, 1, 1, tzinfo=UTC)
"""Since when: all of history."""


def check_all(
    session: Session,
    *,
    now: datetime,
    fast: bool = False,
    settled: bool = False,
    running: bool = False,
    only: frozenset[str] | None = None,
) -> list[CheckResult]:
    """Run the checks within the session's company, as things stand at `now`.

    `fast` leaves out what grows with history, for a health check. `settled` adds what holds once
    nothing is under way any more. `running` asks only what is late or waits in vain. `only` names
    checks; it does not bring in those left out.
    """
    return [
        _run(session, check, now=now)
        for name, check in CHECKS.items()
        if (only is None or name in only)
        and (check.fast or not fast)
        and (check.holds is not Holds.SETTLED or settled)
        and (check.holds is Holds.RUNNING or not running)
    ]


def check_books(
    session: Session, *, only: frozenset[str] | None = None, since: datetime = EVER
) -> list[Finding]:
    """Find what breaks an invariant that holds at any instant; empty where all is well.

    Says nothing of how late things are: see `check_all`. What people decided is proven from what
    has changed since an instant, from all of history by default.
    """
    return [
        finding
        for name, check in CHECKS.items()
        if check.holds is Holds.ALWAYS and (only is None or name in only)
        for finding in _run(session, check, now=None, since=since).findings
    ]


def count_fast(session: Session, *, now: datetime) -> dict[str, int]:
    """How many rows each fast check finds, those that find none left out. One round trip.

    What looks at the schema comes without a company too; the rest sees the session's company only.
    """
    counted = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS found FROM ({check.query}) AS rows_{number}"  # noqa: S608 - queries of this package
        for number, (name, check) in enumerate(CHECKS.items())
        if check.fast
    )
    rows = session.execute(text(counted), _moments(now))
    return {row.name: row.found for row in rows if row.found}


def rows_in_rest(session: Session) -> dict[str, int]:
    """Default partitions that hold rows, and how many, at most 1,000 of each (any role)."""
    rows = session.execute(text("SELECT relation, counted FROM rows_in_rest()"))
    return {row.relation: row.counted for row in rows}


def _run(
    session: Session, check: Check, *, now: datetime | None, since: datetime = EVER
) -> CheckResult:
    began = time.monotonic()
    rows: Iterable[Mapping[Any, Any]]
    if isinstance(check.query, str):
        moments = {"since": since} | ({} if now is None else _moments(now))
        rows = session.execute(text(check.query), moments).mappings()
    else:
        rows = check.query(session)
    findings = tuple(
        Finding(
            check=check.name,
            object_type=check.object_type,
            object_id=str(row["object_id"]),
            detail={key: str(row[key]) for key in row if key != "object_id"},
        )
        for row in rows
    )
    return CheckResult(
        check=check.name,
        invariant=check.invariant,
        findings=findings,
        seconds=time.monotonic() - began,
    )


def _moments(now: datetime) -> dict[str, datetime]:
    return {"now": now, "late": now - OVERDUE}
