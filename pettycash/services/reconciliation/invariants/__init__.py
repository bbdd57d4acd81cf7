"""Invariants: what must hold of the books at any instant, asked in SQL (reliability.md §2).

The nightly run, `/readyz` (its fast part), `audit books` and every test that breaks something use
the same list of checks. Each prints the rows that break it.
"""

from pettycash.services.reconciliation.invariants.checks import (
    Check,
    CheckResult,
    Finding,
    Holds,
    Invariant,
)
from pettycash.services.reconciliation.invariants.running import (
    CHECKS,
    EVER,
    check_all,
    check_books,
    count_fast,
    rows_in_rest,
)

__all__ = [
    "CHECKS",
    "EVER",
    "Check",
    "CheckResult",
    "Finding",
    "Holds",
    "Invariant",
    "check_all",
    "check_books",
    "count_fast",
    "rows_in_rest",
]
