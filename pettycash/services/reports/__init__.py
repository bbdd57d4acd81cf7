"""Figures go out one way: a declared report becomes JSON, CSV, XLSX or PDF (docs/operations.md).

`declared` is the kit, `files` and `pdf` write; each further module declares reports, and ALL lists
them: one test puts every report on random books and adds up every link.
"""

from pettycash.services.reports import (
    funds,
    general_ledger,
    imprest,
    payments,
    rails,
    requisitions,
    spending,
    variances,
)
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

ALL = (
    funds.CASH_BOOK,
    funds.FUND_STATEMENT,
    funds.FUND_STATUS,
    TRIAL_BALANCE,
    general_ledger.GENERAL_LEDGER,
    general_ledger.ACCOUNT_STATEMENT,
    imprest.IMPREST,
    imprest.REPLENISHMENTS,
    requisitions.REQUISITIONS,
    requisitions.APPROVAL_STEPS,
    requisitions.TURNAROUND,
    rails.EXECUTIONS,
    spending.SPENDING,
    payments.PAYMENTS,
    payments.PAYMENT_SUMMARY,
    rails.GATEWAY_PERFORMANCE,
    rails.GATEWAY_FAILURES,
    rails.DISCREPANCIES,
    variances.VARIANCES,
)
BY_NAME = {each.name: each for each in ALL}

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
