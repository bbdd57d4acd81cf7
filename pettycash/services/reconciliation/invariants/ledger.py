"""I3, and the half of I1 and I2 that stands in our own books."""

from pettycash.services.reconciliation.invariants.checks import Check, Invariant

LEDGER = (
    Check(
        name="balance_is_sum_of_postings",
        invariant=Invariant.I3,
        object_type="ledger_account",
        query="""
        SELECT a.id AS object_id, a.balance AS found, coalesce(p.total, 0) AS expected
        FROM ledger_accounts a LEFT JOIN (
            SELECT account_id, count(*) AS lines,
                sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) AS total
            FROM postings GROUP BY account_id) p ON p.account_id = a.id
        WHERE a.balance <> coalesce(p.total, 0) OR a.sequence <> coalesce(p.lines, 0)
        """,
    ),
    Check(
        name="balance_after_is_the_chain",
        invariant=Invariant.I5,
        object_type="ledger_account",
        # Numbered without a gap and each balance on top of the one before: none is gone.
        query="""
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
    Check(
        name="held_is_sum_of_open_holds",
        invariant=Invariant.I3,
        object_type="ledger_account",
        fast=True,
        query="""
        SELECT a.id AS object_id, a.held AS found, coalesce(h.total, 0) AS expected
        FROM ledger_accounts a LEFT JOIN (
            SELECT account_id, sum(amount + expected_fee) AS total
            FROM holds WHERE state = 'open' GROUP BY account_id) h ON h.account_id = a.id
        WHERE a.held <> coalesce(h.total, 0)
        """,
    ),
    Check(
        name="entries_balance",
        invariant=Invariant.I3,
        object_type="journal_entry",
        query="""
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
    Check(
        name="open_holds_are_live_attempts",
        invariant=Invariant.I3,
        object_type="hold",
        fast=True,
        query="""
        SELECT h.id AS object_id, h.source, h.amount AS found, t.amount AS expected
        FROM holds h LEFT JOIN payment_attempts t
            ON t.id = CASE WHEN h.source LIKE 'attempt:%' THEN substr(h.source, 9)::uuid END
        LEFT JOIN payments p ON p.id = t.payment_id
        WHERE h.state = 'open' AND h.source LIKE 'attempt:%'
            -- Paid by another attempt, a payment may still have one that takes money.
            AND (t.id IS NULL OR t.state IN ('settled', 'rejected')
                 OR p.status NOT IN ('executing', 'in_doubt', 'success', 'reversed')
                 OR h.amount <> t.amount)
        """,
    ),
    Check(
        name="payments_on_the_way_are_held",
        invariant=Invariant.I3,
        object_type="payment",
        fast=True,
        query="""
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
    Check(
        name="successes_are_posted",
        invariant=Invariant.I2,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, p.status, p.paid_amount AS expected, e.id AS entry
        FROM payments p LEFT JOIN journal_entries e
            ON e.payment_id = p.id AND e.rule IN ('expense', 'advance')
        WHERE (p.status IN ('success', 'reversed')) <> (e.id IS NOT NULL)
        """,
    ),
    Check(
        name="what_was_proven_is_posted",
        invariant=Invariant.I2,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, p.paid_amount AS expected, sum(q.amount) AS found,
            count(DISTINCT e.id) AS entries
        FROM payments p JOIN stores s ON s.id = p.store_id
        JOIN journal_entries e ON e.payment_id = p.id AND e.rule IN ('expense', 'advance')
        LEFT JOIN postings q ON q.entry_id = e.id AND q.account_id = s.account_id
            AND q.side = 'credit'
        WHERE p.status IN ('success', 'reversed')
        GROUP BY p.id HAVING sum(q.amount) IS DISTINCT FROM p.paid_amount
            OR count(DISTINCT e.id) > 1
        """,
    ),
    Check(
        name="fees_are_posted_once",
        invariant=Invariant.I2,
        object_type="payment",
        query="""
        WITH proven AS (
            SELECT payment_id, sum(fee) AS fee FROM payment_attempts GROUP BY payment_id),
        posted AS (
            SELECT e.payment_id, sum(q.amount) AS fee FROM journal_entries e
            JOIN postings q ON q.entry_id = e.id AND q.side = 'debit'
            WHERE e.rule IN ('fee', 'fee_from_store') GROUP BY e.payment_id)
        SELECT coalesce(proven.payment_id, posted.payment_id) AS object_id,
            proven.fee AS expected, posted.fee AS found
        FROM proven FULL JOIN posted ON posted.payment_id = proven.payment_id
        WHERE coalesce(proven.fee, 0) <> coalesce(posted.fee, 0)
        """,
    ),
    Check(
        name="transfers_are_posted",
        invariant=Invariant.I3,
        object_type="replenishment",
        query="""
        WITH sent AS (
            SELECT split_part(j.source, ':', 2) AS id, split_part(j.source, ':', 3) AS step,
                sum(q.amount) AS amount
            FROM journal_sources j JOIN postings q ON q.entry_id = j.entry_id AND q.side = 'debit'
            WHERE j.source LIKE 'replenishment:%' GROUP BY 1, 2)
        SELECT r.id AS object_id, r.status, r.approved_amount, r.received_amount,
            funded.amount AS posted_as_funded, received.amount AS posted_as_received
        FROM replenishments r
        LEFT JOIN sent funded ON funded.id = r.id::text AND funded.step = 'funded'
        LEFT JOIN sent received ON received.id = r.id::text AND received.step = 'received'
        LEFT JOIN sent lost ON lost.id = r.id::text AND lost.step = 'lost'
        WHERE coalesce(funded.amount, 0) <>
                CASE WHEN r.status IN ('funded', 'received') THEN r.approved_amount ELSE 0 END
            OR coalesce(received.amount, 0) <> coalesce(r.received_amount, 0)
            OR coalesce(lost.amount, 0) <> r.lost_amount
        """,
    ),
)
"""The books against themselves, and against what was proven of payments."""
