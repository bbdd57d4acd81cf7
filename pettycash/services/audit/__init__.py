"""The auditor: what must hold of the books at any instant, asked in SQL (reliability.md §2).

The nightly run, `/readyz` (its fast part), `audit books` and every test that breaks something use
the same list of checks. Each prints the rows that break it.
"""

from pettycash.services.audit.checks import Check, Finding, Holds, Invariant, Result
from pettycash.services.audit.running import (
    CHECKS,
    EVER,
    audit,
    check_books,
    count_fast,
    rows_in_rest,
)

__all__ = [
    "CHECKS",
    "EVER",
    "Check",
    "Finding",
    "Holds",
    "Invariant",
    "Result",
    "audit",
    "check_books",
    "count_fast",
    "rows_in_rest",
]
