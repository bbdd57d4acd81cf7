"""A report as it is read at once: rows with their links and totals, as many as a reader can use."""

from decimal import Decimal
from typing import Any

from pettycash.runtime import errors, money
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Report, Row, Split, Values, check, drill, parts

ROWS_AT_ONCE = 2000


class ReportNeedsRun(errors.RuleViolation):
    """This has more than 2,000 rows: narrow it, or have it made as a file (`/api/report-runs/`)."""

    code = "report.needs_run"


def page(uow: Uow, report: Report, values: Values) -> dict[str, Any]:
    """A report with its head; a part for each currency. What a parameter names is in scope.

    Raises:
        ReportNeedsRun: it has more than ROWS_AT_ONCE.
    """
    words = check(uow, report, values)
    found, count = [], 0
    for part in parts(uow, report, values):
        rows: list[dict[str, Any]] = []
        for row in part:
            count += 1
            if count > ROWS_AT_ONCE:
                raise ReportNeedsRun
            rows.append({**row, **_split(report, row), "links": drill(report, row, values)})
        found.append(
            {
                "currency": part.currency or None,
                "rows": rows,
                "totals": {**part.totals, "currency": part.currency},
                "foots": part.foots,
            }
        )
    return {
        "report": report.name,
        "title": report.title,
        "parameters": words,
        "made_at": uow.now,
        "time_zone": company_settings.current(uow.session).timezone,
        "rows": count,
        "parts": found,
    }


def _split(report: Report, row: Row) -> dict[str, dict[str, str]]:
    """Amounts by name, with the decimals of their currency."""
    return {
        each.name: {
            name: money.text(Decimal(amount), row["currency"])
            for name, amount in (row[each.name] or {}).items()
        }
        for each in report.columns
        if isinstance(each, Split)
    }
