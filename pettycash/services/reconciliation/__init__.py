"""Nightly reconciliation: the books against themselves, payments against what the rails proved.

A run belongs to one company and one business day. It is started once, advanced until nothing is
left to wait for, and closed; running a day again makes a new numbered run, and the newest counts
(domain.md §8). Every step may be repeated: a killed run goes on where it was.
"""

from pettycash.services.reconciliation.closing import Report, close, examine, match
from pettycash.services.reconciliation.nightly import start_due
from pettycash.services.reconciliation.payment_proofs import reconcile_by_hand
from pettycash.services.reconciliation.runs import (
    RUN_TOPIC,
    RunNotFound,
    Step,
    advance,
    find_run,
    newest,
    start,
)

__all__ = [
    "RUN_TOPIC",
    "Report",
    "RunNotFound",
    "Step",
    "advance",
    "close",
    "examine",
    "find_run",
    "match",
    "newest",
    "reconcile_by_hand",
    "start",
    "start_due",
]
