"""Settlements that are to be made: their accounts, open holds and outbox messages, in bulk."""

import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from pettycash.models.base import new_id

AMOUNT = Decimal("100.00")
CURRENCY = "KES"
TOPIC = "payments.submit"

ACCOUNTS = """
    INSERT INTO ledger_accounts (id, company_id, code, name, kind, currency, category, balance,
        held)
    SELECT new_key(), %(company)s, 'bench-' || %(kind)s || '-' || number, 'Benchmark', %(kind)s,
        %(currency)s, CASE WHEN %(kind)s = 'expense' THEN 'bench-' || number END,
        -- More than a benchmark can spend: nothing has to be topped up between rounds.
        1e13, 1e12
    FROM generate_series(1, %(count)s) AS number RETURNING id
"""


@dataclass(frozen=True)
class Settlement:
    """One to be made: its hold and its outbox message are there already."""

    attempt_id: UUID
    payment_id: UUID
    store_id: UUID
    expense_id: UUID

    @property
    def hold(self) -> str:
        """The source of its hold."""
        return f"attempt:{self.attempt_id}"

    @property
    def source(self) -> str:
        """The source of its entry."""
        return f"payment:{self.payment_id}:settled"


@dataclass(frozen=True)
class Backlog:
    """The stores and expense accounts of one company, and the superuser's cursor."""

    company_id: UUID
    stores: Sequence[UUID]
    expenses: Sequence[UUID]
    cursor: Any

    def enqueue(self, count: int, *, batch: int, hot: bool) -> list[list[Settlement]]:
        """So many settlements to be made, in batches; of one store where it is hot."""
        stores = self.stores[:1] if hot else self.stores
        made = [
            Settlement(new_id(), new_id(), random.choice(stores), random.choice(self.expenses))
            for _ in range(count)
        ]
        self._copy(
            "holds (id, company_id, account_id, source, amount, expected_fee, state)",
            (
                (new_id(), self.company_id, each.store_id, each.hold, AMOUNT, 0, "open")
                for each in made
            ),
        )
        self._copy(
            "outbox_messages (id, company_id, topic, key, due_at, attempts, failures)",
            ((new_id(), self.company_id, TOPIC, each.attempt_id, "now", 1, 0) for each in made),
        )
        # A live database knows how large its tables are; plans of an empty one would be kept.
        self.cursor.execute("ANALYZE holds, outbox_messages, journal_entries, postings")
        return [made[start : start + batch] for start in range(0, count, batch)]

    def _copy(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        lines = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        self.cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO(lines))


def open_accounts(cursor: Any, *, funds: int, categories: int) -> Backlog:
    """Open a store for each of so many funds, and the expense accounts, in the demo company."""
    cursor.execute("SELECT id::text FROM companies ORDER BY id LIMIT 1")
    company_id = UUID(cursor.fetchone()[0])
    stores = _open(cursor, company_id, "store", funds)
    expenses = _open(cursor, company_id, "expense", categories)
    cursor.execute("ANALYZE")
    return Backlog(company_id=company_id, stores=stores, expenses=expenses, cursor=cursor)


def _open(cursor: Any, company_id: UUID, kind: str, count: int) -> list[UUID]:
    facts = {"company": str(company_id), "kind": kind, "currency": CURRENCY, "count": count}
    cursor.execute(ACCOUNTS, facts)
    return [UUID(row[0]) for row in cursor.fetchall()]
