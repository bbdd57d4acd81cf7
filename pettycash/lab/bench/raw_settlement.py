"""The reference of the settlements: seven plain statements, sent one by one without ORM."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg2

from pettycash.lab.bench.backlog import AMOUNT, CURRENCY, TOPIC, Settlement
from pettycash.models.base import new_id

SOURCE = """
    INSERT INTO journal_sources (company_id, source, entry_id)
    VALUES (%(company)s, %(source)s, %(entry)s)
"""

ENTRY = """
    INSERT INTO journal_entries (id, company_id, source, rule, description, occurred_at,
        accounting_date, currency, payment_id)
    VALUES (%(entry)s, %(company)s, %(source)s, 'expense', 'Benchmark', %(now)s, %(today)s,
        %(currency)s, %(payment)s)
"""

DEBIT = """
    UPDATE ledger_accounts SET balance = balance + %(amount)s, sequence = sequence + 1
    WHERE id = %(expense)s RETURNING balance, sequence
"""

CREDIT = """
    UPDATE ledger_accounts SET balance = balance - %(amount)s, held = held - %(amount)s,
        sequence = sequence + 1
    WHERE id = %(store)s RETURNING balance, sequence
"""

POSTINGS = """
    INSERT INTO postings (entry_id, id, company_id, account_id, side, amount, currency, sequence,
        balance_after)
    VALUES (%(entry)s, %(first)s, %(company)s, %(expense)s, 'debit', %(amount)s, %(currency)s,
            %(expense_sequence)s, %(expense_balance)s),
        (%(entry)s, %(second)s, %(company)s, %(store)s, 'credit', %(amount)s, %(currency)s,
            %(store_sequence)s, %(store_balance)s)
"""

HOLD = """
    UPDATE holds SET state = 'posted', closed_at = now()
    WHERE company_id = %(company)s AND source = %(hold)s AND state = 'open'
"""

MESSAGE = """
    UPDATE outbox_messages SET completed_at = now()
    WHERE company_id = %(company)s AND topic = %(topic)s AND key = %(attempt)s
"""


def begin(url: str, company_id: UUID) -> Callable[[Sequence[Settlement]], None]:
    """Connect as the tables' owner; returns what makes each settlement of a batch by itself."""
    connection = psycopg2.connect(url)

    def settle(batch: Sequence[Settlement]) -> None:
        for each in batch:
            with connection, connection.cursor() as cursor:
                _settle(cursor, _facts(each, company_id))

    return settle


def _settle(cursor: Any, facts: dict[str, object]) -> None:
    cursor.execute(SOURCE, facts)
    cursor.execute(ENTRY, facts)
    cursor.execute(DEBIT, facts)
    facts["expense_balance"], facts["expense_sequence"] = cursor.fetchone()
    cursor.execute(CREDIT, facts)
    facts["store_balance"], facts["store_sequence"] = cursor.fetchone()
    cursor.execute(POSTINGS, facts)
    cursor.execute(HOLD, facts)
    cursor.execute(MESSAGE, facts)


def _facts(settlement: Settlement, company_id: UUID) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "company": str(company_id),
        "source": settlement.source,
        "entry": str(new_id()),
        "now": now,
        "today": now.date(),
        "currency": CURRENCY,
        "payment": str(settlement.payment_id),
        "amount": AMOUNT,
        "expense": str(settlement.expense_id),
        "store": str(settlement.store_id),
        "first": str(new_id()),
        "second": str(new_id()),
        "hold": settlement.hold,
        "topic": TOPIC,
        "attempt": str(settlement.attempt_id),
    }
