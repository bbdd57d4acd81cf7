"""Every report there is."""

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
BY_PERMISSION = {each.permission: each for each in ALL}
