"""(a) The books against themselves: each check is one query whose rows break a promise.

Runs within one company's scope. It must hold at any instant, so the nightly run, the fast part of
the health check and every fault test use the same list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row that breaks a promise of the books."""

    check: str
    object_type: str
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)


CHECKS: Mapping[str, tuple[str, str]] = {
    # A balance is the sum of its postings, and its last posting says so too.
    "balance_is_sum_of_postings": (
        "ledger_account",
        """
        SELECT a.id AS object_id, a.balance AS found, coalesce(p.total, 0) AS expected
        FROM ledger_accounts a LEFT JOIN (
            SELECT account_id, count(*) AS lines,
                sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) AS total
            FROM postings GROUP BY account_id) p ON p.account_id = a.id
        WHERE a.balance <> coalesce(p.total, 0) OR a.sequence <> coalesce(p.lines, 0)
        """,
    ),
    "balance_after_is_the_chain": (
        "ledger_account",
        """
        SELECT account_id AS object_id, sequence AS at_posting, balance_after AS found,
            running AS expected
        FROM (
            SELECT account_id, sequence, balance_after,
                sum(CASE side WHEN 'debit' THEN amount ELSE -amount END)
                    OVER (PARTITION BY account_id ORDER BY sequence) AS running,
                row_number() OVER (PARTITION BY account_id ORDER BY sequence) AS place
            FROM postings) chained
        WHERE balance_after <> running OR sequence <> place
        """,
    ),
    "held_is_sum_of_open_holds": (
        "ledger_account",
        """
        SELECT a.id AS object_id, a.held AS found, coalesce(h.total, 0) AS expected
        FROM ledger_accounts a LEFT JOIN (
            SELECT account_id, sum(amount + expected_fee) AS total
            FROM holds WHERE state = 'open' GROUP BY account_id) h ON h.account_id = a.id
        WHERE a.held <> coalesce(h.total, 0)
        """,
    ),
    "entries_balance": (
        "journal_entry",
        """
        SELECT e.id AS object_id, count(p.id) AS postings,
            coalesce(sum(CASE p.side WHEN 'debit' THEN p.amount ELSE -p.amount END), 0)
                AS difference
        FROM journal_entries e LEFT JOIN postings p ON p.entry_id = e.id
        GROUP BY e.id
        HAVING count(p.id) < 2
            OR sum(CASE p.side WHEN 'debit' THEN p.amount ELSE -p.amount END) <> 0
            OR count(*) FILTER (WHERE p.currency <> e.currency) > 0
        """,
    ),
    # Money is reserved for exactly the attempts that may still take it.
    "open_holds_are_live_attempts": (
        "hold",
        """
        SELECT h.id AS object_id, h.source, h.amount AS found, t.amount AS expected
        FROM holds h LEFT JOIN payment_attempts t ON h.source = 'attempt:' || t.id
        LEFT JOIN payments p ON p.id = t.payment_id
        WHERE h.state = 'open' AND h.source LIKE 'attempt:%'
            AND (t.id IS NULL OR t.state IN ('settled', 'rejected')
                 OR p.status NOT IN ('executing', 'in_doubt') OR h.amount <> t.amount)
        """,
    ),
    "payments_on_the_way_are_held": (
        "payment",
        """
        -- From the hold to its attempt by key, once: joined on the text, and for each payment, it
        -- took a second for 250 payments on their way, and grew with their cube.
        WITH held AS MATERIALIZED (
            SELECT t.payment_id, h.amount FROM holds h JOIN payment_attempts t
                ON t.id = CASE WHEN h.source LIKE 'attempt:%' THEN substr(h.source, 9)::uuid END
            WHERE h.state = 'open')
        SELECT p.id AS object_id, p.status, p.amount AS expected
        FROM payments p
        WHERE p.status IN ('executing', 'in_doubt') AND NOT EXISTS (
            SELECT FROM held WHERE held.payment_id = p.id AND held.amount = p.amount)
        """,
    ),
    # Every success stands in the books, and the books know no success that is not one.
    "successes_are_posted": (
        "payment",
        """
        SELECT p.id AS object_id, p.status, p.paid_amount AS expected, e.id AS entry
        FROM payments p LEFT JOIN journal_entries e
            ON e.payment_id = p.id AND e.rule IN ('expense', 'advance')
        WHERE (p.status IN ('success', 'reversed')) <> (e.id IS NOT NULL)
        """,
    ),
    "one_settled_attempt_each": (
        "payment",
        """
        SELECT p.id AS object_id, p.status, count(t.id) AS settled
        FROM payments p LEFT JOIN payment_attempts t
            ON t.payment_id = p.id AND t.state = 'settled'
        GROUP BY p.id
        HAVING (count(t.id) > 1 AND NOT EXISTS (
                    SELECT FROM cases c WHERE c.object_id = p.id AND c.kind = 'contradiction'))
            OR (p.status = 'success' AND count(t.id) = 0)
        """,
    ),
    "payments_within_approval": (
        "requisition",
        """
        SELECT r.id AS object_id, r.approved_amount AS expected, sum(p.amount) AS found
        FROM requisitions r JOIN payments p ON p.requisition_id = r.id
            AND p.status IN ('pending', 'scheduled', 'executing', 'in_doubt', 'success')
        GROUP BY r.id
        HAVING sum(p.amount) > coalesce(r.approved_amount, 0) AND NOT EXISTS (
            SELECT FROM cases c JOIN payments q ON q.id = c.object_id
            WHERE q.requisition_id = r.id AND c.kind IN ('contradiction', 'late_fact'))
        """,
    ),
    # A hold stops at the floor; a fact does not, but somebody has to know.
    "below_floor_has_a_case": (
        "store",
        """
        SELECT s.id AS object_id, a.balance - a.held AS found, a.floor AS expected
        FROM stores s JOIN ledger_accounts a ON a.id = s.account_id
        WHERE a.balance - a.held < a.floor AND NOT EXISTS (
            SELECT FROM cases c WHERE c.object_id = s.id AND c.kind = 'below_floor')
        """,
    ),
}
"""Name → (what its rows are, the query). `object_id` is required; the other columns are shown."""


def check_books(session: Session, *, only: frozenset[str] | None = None) -> list[Finding]:
    """Run the checks within the session's company; an empty list means that all holds."""
    findings: list[Finding] = []
    for name, (object_type, query) in CHECKS.items():
        if only is not None and name not in only:
            continue
        for row in session.execute(text(query)).mappings():
            shown = {key: str(row[key]) for key in row if key != "object_id"}
            findings.append(
                Finding(
                    check=name,
                    object_type=object_type,
                    object_id=str(row["object_id"]),
                    detail=shown,
                )
            )
    return findings
