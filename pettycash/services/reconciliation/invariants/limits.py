"""I7: floors and caps hold; where facts broke one, a case says so."""

from pettycash.services.reconciliation.invariants.checks import Check, Invariant

LIMITS = (
    Check(
        name="payments_within_approval",
        invariant=Invariant.I7,
        object_type="requisition",
        query="""
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
    Check(
        name="below_floor_has_a_case",
        invariant=Invariant.I7,
        object_type="store",
        fast=True,
        query="""
        SELECT s.id AS object_id, a.balance - a.held AS found, a.floor AS expected
        FROM stores s JOIN ledger_accounts a ON a.id = s.account_id
        WHERE a.balance - a.held < a.floor AND NOT EXISTS (
            SELECT FROM cases c WHERE c.object_id = s.id AND c.kind = 'below_floor'
                -- One that ended by itself, above the floor, says nothing of this time.
                AND (c.status <> 'resolved' OR c.decided_by IS NOT NULL))
        """,
    ),
    Check(
        name="floors_are_the_funds",
        invariant=Invariant.I7,
        object_type="store",
        fast=True,
        query="""
        SELECT s.id AS object_id, a.floor AS found, f.minimum_balance AS expected
        FROM stores s JOIN ledger_accounts a ON a.id = s.account_id JOIN funds f ON f.id = s.fund_id
        WHERE a.floor <> f.minimum_balance
        """,
    ),
    Check(
        name="short_deliveries_are_cases",
        invariant=Invariant.I7,
        object_type="replenishment",
        query="""
        SELECT r.id AS object_id, r.approved_amount AS expected, r.received_amount AS found
        FROM replenishments r
        WHERE r.status = 'received'
            AND r.received_amount + r.lost_amount < r.approved_amount
            AND NOT EXISTS (SELECT FROM cases c WHERE c.object_id = r.id
                AND c.kind = 'short_delivery' AND c.status <> 'resolved')
        """,
    ),
)
"""Limits that may not be exceeded, and the cases that report it where one was."""
