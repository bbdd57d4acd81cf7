"""Figures go out one way: a declared report becomes JSON, CSV, XLSX or PDF (docs/operations.md).

`declared` is the kit, `files` and `pdf` write; each further module declares reports, and ALL lists
them: one test puts every report on random books and adds up every link.
"""

from pettycash.services.reports.catalogue import ALL, BY_NAME
from pettycash.services.reports.declared import (
    Col,
    Link,
    Money,
    Number,
    Param,
    Part,
    Report,
    Row,
    Split,
    drill,
    parts,
)
from pettycash.services.reports.reading import ROWS_AT_ONCE, ReportNeedsRun, page
from pettycash.services.reports.sheets import ReportTooLong
from pettycash.services.reports.trial_balance import TRIAL_BALANCE

__all__ = [
    "ALL",
    "BY_NAME",
    "ROWS_AT_ONCE",
    "TRIAL_BALANCE",
    "Col",
    "Link",
    "Money",
    "Number",
    "Param",
    "Part",
    "Report",
    "ReportNeedsRun",
    "ReportTooLong",
    "Row",
    "Split",
    "drill",
    "page",
    "parts",
]
