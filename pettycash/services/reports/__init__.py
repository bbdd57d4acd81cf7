"""Figures go out one way: a declared report becomes JSON, CSV or XLSX (docs/operations.md).

`declared` is the kit, `files` writes; each further module declares one report, and ALL lists them:
one test puts every report on random books and adds up every link.
"""

from pettycash.services.reports.declared import (
    Col,
    Link,
    Money,
    Param,
    Part,
    Report,
    drill,
    parts,
)
from pettycash.services.reports.files import ReportTooLong, write
from pettycash.services.reports.trial_balance import TRIAL_BALANCE

ALL = (TRIAL_BALANCE,)

__all__ = [
    "ALL",
    "TRIAL_BALANCE",
    "Col",
    "Link",
    "Money",
    "Param",
    "Part",
    "Report",
    "ReportTooLong",
    "drill",
    "parts",
    "write",
]
