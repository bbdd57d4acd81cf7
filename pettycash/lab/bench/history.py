"""A past of any length: one payment that the services made and settled, written a million times.

Every row is a copy of a real one with keys, references and running balances of its own, so that
the books balance and each payment has its release, its attempt and its proof. Copied by the
superuser in replication mode: triggers and foreign keys were heard once, by the original.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2 import sql

from pettycash.gateways.base import GatewayExchange, Outcome, OutcomeKind, RequestType
from pettycash.lab.chaos.paying import House
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.payments import facts

AMOUNT = "0.01"
"""So small that a store pays a million of them."""

KEYS: dict[str, str] = {
    "requisitions": "a01",
    "requisition_lines": "a02",
    "approval_trail": "a0b",
    "approval_rounds": "a0c",
    "approval_steps": "a0d",
    "decisions": "a0e",
    "release_challenges": "a0f",
    "release_grants": "a10",
    "payments": "a03",
    "payment_executions": "a04",
    "payment_attempts": "a05",
    "payment_transactions": "a06",
    "journal_entries": "a07",
    "holds": "a08",
    "debits": "a09",
    "credits": "a0a",
}
"""What tells the keys of one table from another's; the rest of a key counts up with time."""

KEY = """
    CREATE FUNCTION pg_temp.made_key(tag text, since bigint, n bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex(since + n / 4096), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
            || '8' || tag || lpad(to_hex(n), 12, '0'))::uuid
    $$
"""
"""UUID version 7, 4,096 of them in a millisecond (RFC 9562)."""


def _key(table: str) -> str:
    return f"pg_temp.made_key('{KEYS[table]}', %(since)s, n)"


STEP = """(SELECT id FROM approval_steps
    WHERE subject_id = %(requisition)s AND status = 'approved' ORDER BY position LIMIT 1)"""
CHALLENGE = (
    "(SELECT id FROM release_challenges WHERE subject_id = %(payment)s AND state = 'verified')"
)

COPIES: dict[str, tuple[str, dict[str, str]]] = {
    "requisitions": (
        "id = %(requisition)s",
        {
            "id": _key("requisitions"),
            "number": "'BENCH-' || n",
            "amount": AMOUNT,
            "approved_amount": AMOUNT,
        },
    ),
    "requisition_lines": (
        "requisition_id = %(requisition)s",
        {
            "id": _key("requisition_lines"),
            "requisition_id": _key("requisitions"),
            "amount": AMOUNT,
        },
    ),
    "approval_trail": (
        "subject_id = %(requisition)s AND action = 'approved'",
        {"id": _key("approval_trail"), "subject_id": _key("requisitions")},
    ),
    "approval_rounds": (
        "subject_id = %(requisition)s AND status = 'approved'",
        {"id": _key("approval_rounds"), "subject_id": _key("requisitions")},
    ),
    "approval_steps": (
        f"id = {STEP}",
        {
            "id": _key("approval_steps"),
            "subject_id": _key("requisitions"),
            "round_id": _key("approval_rounds"),
        },
    ),
    "decisions": (
        f"step_id = {STEP} AND verdict = 'approved'",
        {
            "id": _key("decisions"),
            "subject_id": _key("requisitions"),
            "round_id": _key("approval_rounds"),
            "step_id": _key("approval_steps"),
        },
    ),
    "payments": (
        "id = %(payment)s",
        {
            "id": _key("payments"),
            "requisition_id": _key("requisitions"),
            "number": "'BENCH-' || n",
            "originator_reference": "'BENCH-' || n",
            "provider_reference": "'RECEIPT-' || n",
            "amount": AMOUNT,
            "paid_amount": AMOUNT,
        },
    ),
    "release_challenges": (
        f"id = {CHALLENGE}",
        {"id": _key("release_challenges"), "subject_id": _key("payments")},
    ),
    "release_grants": (
        f"challenge_id = {CHALLENGE}",
        {
            "id": _key("release_grants"),
            "challenge_id": _key("release_challenges"),
            "subject_id": _key("payments"),
        },
    ),
    "payment_executions": (
        "payment_id = %(payment)s",
        {
            "id": _key("payment_executions"),
            "payment_id": _key("payments"),
            "requisition_id": _key("requisitions"),
            "originator_reference": "'BENCH-' || n",
            "amount": AMOUNT,
            "grant_id": _key("release_grants"),
        },
    ),
    "payment_attempts": (
        "payment_id = %(payment)s",
        {
            "id": _key("payment_attempts"),
            "payment_id": _key("payments"),
            "execution_id": _key("payment_executions"),
            "originator_reference": "'BENCH-' || n",
            "provider_originator_id": "'BENCH-' || n",
            "conversation_id": "'TALK-' || n",
            "provider_reference": "'RECEIPT-' || n",
            "amount": AMOUNT,
            "settled_amount": AMOUNT,
        },
    ),
    "payment_transactions": (
        "payment_id = %(payment)s",
        {
            "id": _key("payment_transactions"),
            "payment_id": _key("payments"),
            "attempt_id": _key("payment_attempts"),
        },
    ),
    "holds": (
        "source = 'attempt:' || %(attempt)s",
        {
            "id": _key("holds"),
            "source": f"'attempt:' || {_key('payment_attempts')}",
            "amount": AMOUNT,
        },
    ),
    "journal_sources": (
        "entry_id = %(entry)s",
        {"source": "'bench:' || n", "entry_id": _key("journal_entries")},
    ),
    "journal_entries": (
        "id = %(entry)s",
        {
            "id": _key("journal_entries"),
            "source": "'bench:' || n",
            "payment_id": _key("payments"),
            "execution_id": _key("payment_executions"),
        },
    ),
}
"""Table → which row is copied, and what a copy has of its own."""

POSTINGS = {
    "debit": ("debits", "+"),
    "credit": ("credits", "-"),
}

SUMS = """
    UPDATE ledger_accounts a SET sequence = a.sequence + %(count)s,
        balance = a.balance + %(count)s * CASE p.side WHEN 'debit' THEN 0.01 ELSE -0.01 END,
        newest_entry_id = pg_temp.made_key(%(tag)s, %(since)s, %(count)s)
    FROM postings p WHERE p.entry_id = %(entry)s AND p.account_id = a.id
"""


@dataclass(frozen=True)
class Past:
    """Where it was written."""

    company_id: UUID
    store_account_id: UUID
    expense_account_id: UUID
    fund_id: UUID
    count: int


def write(cursor: Any, house: House, count: int) -> Past:
    """Write so many settled payments into the database that this process is composed for."""
    paid = house.pay(0)
    house.release(paid)
    _settle(house, paid.id)
    found = _facts(cursor, paid.id)
    cursor.execute(KEY)
    cursor.execute("SET session_replication_role = replica")
    parameters = found | {"count": count}
    for table, (which, own) in COPIES.items():
        _copy(cursor, table, which, own, parameters)
    for side, (tag, sign) in POSTINGS.items():
        own = {
            "id": _key(tag),
            "entry_id": _key("journal_entries"),
            "amount": AMOUNT,
            "sequence": "row.sequence + n",
            "balance_after": f"row.balance_after {sign} n * {AMOUNT}",
        }
        _copy(cursor, "postings", f"entry_id = %(entry)s AND side = '{side}'", own, parameters)
    cursor.execute(SUMS, parameters | {"tag": KEYS["journal_entries"]})
    cursor.execute("SET session_replication_role = origin")
    cursor.execute("VACUUM ANALYZE")
    return _past(cursor, found, count)


def _settle(house: House, payment_id: UUID) -> None:
    with house.scope(), db.transaction() as session:
        now = session.info["now"]
        attempt = facts.newest_attempt(session, payment_id=payment_id)
        if attempt is None:
            raise LookupError("a payment that was executed has no attempt")
        claim = payments.claim(session, attempt_id=attempt.id, now=now)
        if claim is None:
            raise LookupError("the payment that is to be copied can't be sent")
        payments.mark_sending(session, claim=claim, now=now)
        payments.record_outcome(session, claim=claim, outcome=_paid(claim), now=now)


def _paid(claim: payments.Claim) -> Outcome:
    exchange = GatewayExchange(
        request_type=RequestType.INITIATE,
        request={},
        response={"code": "0"},
        http_status=200,
        code="0",
        message="paid",
        processing_time_ms=1,
    )
    return Outcome(
        kind=OutcomeKind.SETTLED,
        code="0",
        message="paid",
        exchange=exchange,
        provider_reference="RECEIPT-0",
        originator_reference=claim.instruction.originator_reference,
        amount=claim.instruction.amount,
        destination=claim.instruction.destination,
    )


def _facts(cursor: Any, payment_id: UUID) -> dict[str, Any]:
    cursor.execute(
        """
        SELECT p.requisition_id::text AS requisition, p.id::text AS payment, t.id::text AS attempt,
            e.id::text AS entry, (extract(epoch FROM now()) * 1000)::bigint AS since
        FROM payments p JOIN payment_attempts t ON t.payment_id = p.id
        JOIN journal_entries e ON e.payment_id = p.id WHERE p.id = %s
        """,
        (str(payment_id),),
    )
    names = [each.name for each in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))


def _copy(
    cursor: Any, table: str, which: str, own: dict[str, str], parameters: dict[str, Any]
) -> None:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'"
        " AND is_identity = 'NO'",
        (table,),
    )
    columns = [row[0] for row in cursor.fetchall()]
    values = [
        sql.SQL(own[each]) if each in own else sql.Identifier("row", each) for each in columns
    ]
    cursor.execute(
        sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT {values}"
            " FROM (SELECT * FROM {table} WHERE {which} LIMIT 1) AS row,"
            " generate_series(1, %(count)s) AS n"
        ).format(
            table=sql.Identifier(table),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            values=sql.SQL(", ").join(values),
            which=sql.SQL(which),
        ),
        parameters,
    )


def _past(cursor: Any, found: dict[str, Any], count: int) -> Past:
    cursor.execute(
        """
        SELECT c.company_id::text, c.account_id::text, d.account_id::text, s.fund_id::text
        FROM postings c JOIN postings d ON d.entry_id = c.entry_id AND d.side = 'debit'
        JOIN stores s ON s.account_id = c.account_id
        WHERE c.entry_id = %(entry)s AND c.side = 'credit'
        """,
        found,
    )
    company, store, expense, fund = map(UUID, cursor.fetchone())
    return Past(
        company_id=company,
        store_account_id=store,
        expense_account_id=expense,
        fund_id=fund,
        count=count,
    )
