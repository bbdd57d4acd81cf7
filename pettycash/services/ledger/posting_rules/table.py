"""The table of posting rules, and how a row of it becomes an entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pettycash.models.ledger import AccountKind
from pettycash.services.ledger.posting import Entry

K = AccountKind


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of the table."""

    event: str
    debit: tuple[AccountKind, ...]
    credit: tuple[AccountKind, ...]
    source: str
    """The form of the entry's unique source."""
    is_decision: bool = False
    """True: a closed period refuses it. False: a fact, which rolls forward."""


RULES: Mapping[str, Rule] = {
    "expense": Rule(
        event="A payment for an expense or a reimbursement is proven",
        debit=(K.EXPENSE,),
        credit=(K.STORE,),
        source="payment:<id>:settled",
    ),
    "advance": Rule(
        event="A payment for an advance or a per diem is proven",
        debit=(K.ADVANCES,),
        credit=(K.STORE,),
        source="payment:<id>:settled",
    ),
    "duplicate_payment": Rule(
        event="A further attempt of a payment that is paid already is proven to have moved money",
        debit=(K.RECOVERABLE,),
        credit=(K.STORE,),
        source="given by the caller",
    ),
    "fee": Rule(
        event="A rail's fee is proven, and the rail takes it from the charges account",
        debit=(K.FEES,),
        credit=(K.PROVIDER_CHARGES,),
        source="given by the caller",
    ),
    "fee_from_store": Rule(
        event="A rail's fee is proven, and the rail takes it from the paying account itself",
        debit=(K.FEES,),
        credit=(K.STORE,),
        source="given by the caller",
    ),
    "returned": Rule(
        event="The rail gives a payment back; its fee stands",
        debit=(K.STORE,),
        credit=(K.EXPENSE, K.ADVANCES),
        source="given by the caller",
    ),
    "opening_balance": Rule(
        event="A store's money at the cut-over, proposed and confirmed by two people",
        debit=(K.STORE,),
        credit=(K.EQUITY,),
        source="store:<code>:opening",
        is_decision=True,
    ),
    "top_up_sent": Rule(
        event="The transfer of a replenishment leaves the bank",
        debit=(K.IN_TRANSIT,),
        credit=(K.BANK,),
        source="replenishment:<id>:funded",
        is_decision=True,
    ),
    "top_up_received": Rule(
        event="The custodian receives a replenishment, or a later part of it",
        debit=(K.STORE,),
        credit=(K.IN_TRANSIT,),
        source="replenishment:<id>:received:<total received so far>",
    ),
    "transit_loss": Rule(
        event="Two people agree that the rest of a short delivery will not come",
        debit=(K.DIFFERENCES_PENDING,),
        credit=(K.IN_TRANSIT,),
        source="replenishment:<id>:lost",
    ),
    "variance_fee": Rule(
        event="An approved variance: a fee that the books did not have",
        debit=(K.FEES,),
        credit=(K.PROVIDER_CHARGES, K.STORE),
        source="variance:<id>",
        is_decision=True,
    ),
    "variance_overpaid": Rule(
        event="An approved variance: more left the store than the books say",
        debit=(K.RECOVERABLE,),
        credit=(K.STORE,),
        source="variance:<id>",
        is_decision=True,
    ),
    "variance_underpaid": Rule(
        event="An approved variance: less left the store than the books say, so it is still owed",
        debit=(K.STORE,),
        credit=(K.PAYABLE,),
        source="variance:<id>",
        is_decision=True,
    ),
    "variance_count": Rule(
        event="An approved variance of a count (sides swapped where there is too much)",
        debit=(K.DIFFERENCES_PENDING,),
        credit=(K.STORE,),
        source="variance:<id>",
        is_decision=True,
    ),
    "variance_other": Rule(
        event="Any other approved variance, against the account that it names (sides as needed)",
        debit=(K.SUSPENSE, K.EXPENSE, K.DIFFERENCES_PENDING, K.RECEIVABLE, K.PAYABLE),
        credit=(K.STORE,),
        source="variance:<id>",
        is_decision=True,
    ),
}


def entry(rule: str, **facts: Any) -> Entry:
    return Entry(rule=rule, decision=RULES[rule].is_decision, **facts)


def as_markdown() -> str:
    """The table as docs/ledger.md shows it."""
    head = (
        "| rule | event | debit | credit | source | closed period |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
    )
    rows = (
        f"| `{name}` | {rule.event} | {' or '.join(rule.debit)} | {' or '.join(rule.credit)} |"
        f" `{rule.source}` | {'refused' if rule.is_decision else 'rolls forward'} |\n"
        for name, rule in RULES.items()
    )
    return head + "".join(rows)
