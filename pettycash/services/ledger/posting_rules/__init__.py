"""One posting rule per event: what happens decides which accounts are debited and credited.

RULES is the table; docs/ledger.md shows it to people and a test compares the two. The functions
turn an event into an `Entry`; nobody else builds one.
"""

from pettycash.services.ledger.posting_rules.imprest import (
    OTHER_COUNTERS,
    VARIANCE_COUNTER,
    opening,
    top_up_received,
    top_up_sent,
    transit_loss,
    variance,
)
from pettycash.services.ledger.posting_rules.payments import (
    ADVANCE_KINDS,
    SettlementMissing,
    accountable_person,
    duplicate_payment,
    fee,
    fee_account_id,
    returned,
    settlement,
    takes_fee_from_store,
)
from pettycash.services.ledger.posting_rules.table import RULES, Rule, as_markdown

__all__ = [
    "ADVANCE_KINDS",
    "OTHER_COUNTERS",
    "RULES",
    "VARIANCE_COUNTER",
    "Rule",
    "SettlementMissing",
    "accountable_person",
    "as_markdown",
    "duplicate_payment",
    "fee",
    "fee_account_id",
    "opening",
    "returned",
    "settlement",
    "takes_fee_from_store",
    "top_up_received",
    "top_up_sent",
    "transit_loss",
    "variance",
]
