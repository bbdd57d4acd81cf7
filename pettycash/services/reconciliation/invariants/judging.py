"""I8 of what people said of money: how cases ended, and who approved the refill after it."""

from collections.abc import Mapping

from pettycash.services.reconciliation.invariants.checks import Check, Invariant
from pettycash.services.reconciliation.invariants.held import (
    ENDINGS,
    JUDGES,
    escalates,
    held,
    held_or_escalates,
)


def _either(roles: str) -> str:
    """Whether one of the two judges held a role, or stood in for who is missing."""
    proposer = held_or_escalates("e", "e.proposed_by", "e.proposed_at", roles)
    return f"({proposer} OR {held_or_escalates('e', 'e.decided_by', 'e.decided_at', roles)})"


RULES: Mapping[str, str] = {
    "two who judge": f"""e.proposed_by <> e.decided_by
        AND {held_or_escalates("e", "e.proposed_by", "e.proposed_at", JUDGES)}
        AND {held_or_escalates("e", "e.decided_by", "e.decided_at", JUDGES)}""",
    "one who had not approved it": """(SELECT count(DISTINCT d.user_id) FROM decisions d
        WHERE d.subject_id = e.requisition_id
            AND d.verdict IN ('approved', 'urgency_confirmed')
            AND d.user_id IN (e.proposed_by, e.decided_by)) <= 1""",
    "a doubt about money": "e.kind IN ('in_doubt', 'contradiction')",
    "the attempt's own amount": """e.attempt_id IS NOT NULL
        AND NOT e.says_an_amount
        AND (e.ending <> 'paid' OR e.outcome_code <> 'people.paid'
            OR e.settled_amount = e.sent_amount)""",
    "a time that has passed": "coalesce(e.occurred_at <= e.decided_at, e.ending <> 'paid')",
    "a reference of its own": """e.ending = 'not_paid' OR e.reference <> '' AND NOT EXISTS (
            SELECT FROM payment_attempts o
            WHERE o.provider_account_id = e.account_id AND o.provider_reference = e.reference
                AND (o.id <> e.attempt_id OR e.ending = 'returned'))
        AND NOT EXISTS (
            SELECT FROM payments o
            WHERE o.provider_account_id = e.account_id AND o.return_reference = e.reference
                AND (o.id <> e.payment_id OR e.ending = 'paid'))""",
    "a file that the second did not record": """EXISTS (
        SELECT FROM attachments f
        WHERE f.id::text = e.file_id AND f.uploaded_by <> e.decided_by
            AND (f.case_id = e.id
                OR f.requisition_id = e.requisition_id AND f.created_at >= e.released_at))""",
    "the cfo or ceo": f"""CASE
        WHEN e.ending = 'returned' AND e.rail_said IS DISTINCT FROM 'rejected'
            THEN {_either("'cfo'")}
        WHEN e.ending = 'not_paid' OR e.amount > e.cfo_limit OR e.is_about_an_amount
            THEN {_either("'cfo', 'ceo'")}
        ELSE true END""",
    "paid after it was sent": """e.ending <> 'paid'
        OR e.attempt_state = 'settled'
            AND e.occurred_at >= date_trunc('minute', e.possible_from)""",
    "unpaid after a day of trying": """e.ending <> 'not_paid'
        OR e.proposed_at >= e.decide_by AND (e.account_id IS NULL
            OR e.proposed_at >= e.tried_at + interval '1 day'
                AND e.asked_at >= greatest(e.decide_by, e.tried_at))""",
    "no other release for a day": """e.ending <> 'not_paid'
        OR e.account_id IS NULL OR NOT EXISTS (
            SELECT FROM payment_executions n
            WHERE n.payment_id = e.payment_id AND n.attempt_number > e.attempt_number
                AND n.created_at >= e.decided_at
                AND n.created_at < e.decided_at + interval '1 day' AND NOT EXISTS (
                    SELECT FROM payment_transactions a
                    WHERE a.payment_id = e.payment_id AND a.attempt_id = e.attempt_id
                        AND a.request_type = 'QUERY' AND a.status = 'rejected'
                        AND a.created_at <= n.created_at))""",
}
"""Conditions of an ending by people (control.md §4)."""

ENDED = f"""
    SELECT c.id, c.company_id, c.kind, c.proposed_by, c.proposed_at, c.decided_by, c.decided_at,
        c.proposal ->> 'ending' AS ending, trim(c.proposal ->> 'provider_reference') AS reference,
        c.proposal ->> 'evidence_id' AS file_id,
        c.proposal ? 'amount' AS says_an_amount,
        (c.proposal ->> 'occurred_at')::timestamptz AS occurred_at,
        p.id AS payment_id, p.requisition_id, p.amount,
        t.id AS attempt_id, t.number AS attempt_number, t.amount AS sent_amount, t.decide_by,
        t.provider_account_id AS account_id, t.state AS attempt_state, t.outcome_code,
        t.settled_amount, coalesce(t.first_sent_at, t.created_at) AS released_at,
        coalesce(t.last_sent_at, t.first_sent_at, t.created_at) AS tried_at,
        CASE WHEN t.asks_first THEN r.created_at
            ELSE coalesce(t.first_sent_at, t.created_at) END AS possible_from,
        (x.request ->> 'asked_at')::timestamptz AS asked_at,
        (SELECT a.status FROM payment_transactions a
            WHERE a.payment_id = p.id AND a.attempt_id = t.id AND a.request_type = 'QUERY'
                AND a.status IN ('settled', 'rejected') AND a.gateway <> 'evidence' AND a.id < x.id
            ORDER BY a.id DESC LIMIT 1) AS rail_said,
        coalesce((
            SELECT s.data -> 'cfo_limit' ->> p.currency FROM company_settings s
            WHERE s.company_id = c.company_id AND s.created_at <= c.decided_at
            ORDER BY s.version DESC LIMIT 1)::numeric, (
            SELECT min(h.max_amount) FROM approval_thresholds h
            WHERE h.company_id = c.company_id AND h.currency = p.currency
                AND h.valid_from <= c.decided_at
                AND (h.valid_until IS NULL OR h.valid_until > c.decided_at)), 0) AS cfo_limit,
        EXISTS (
            SELECT FROM jsonb_array_elements(
                c.evidence || coalesce(c.evidence -> 'earlier', '[]')) AS told (what)
            WHERE told.what -> 'contradicts' ? 'amount'
                OR (told.what ->> 'amount_said')::numeric
                    <> (told.what ->> 'amount_instructed')::numeric) AS is_about_an_amount
    FROM cases c JOIN payments p ON p.id = c.object_id AND c.object_type = 'payment'
        JOIN requisitions r ON r.id = p.requisition_id
        LEFT JOIN payment_transactions x ON x.payment_id = p.id
            AND x.code = 'people.' || (c.proposal ->> 'ending')
            AND x.request ->> 'case_id' = c.id::text
        LEFT JOIN payment_attempts t ON t.id = x.attempt_id
    WHERE c.decided_by IS NOT NULL AND c.proposal ->> 'ending' IN ({ENDINGS})
"""  # noqa: S608 - words of this package
"""Cases that people ended, each with the attempt that they ended it for."""

ABSENT = """NOT EXISTS (
    SELECT FROM role_assignments y
        JOIN memberships m ON m.company_id = y.company_id AND m.user_id = y.user_id AND m.is_active
        JOIN users u ON u.id = y.user_id AND u.is_active
    WHERE y.company_id = a.company_id AND y.role = '{role}' AND y.valid_from <= a.decided_at
        AND (y.valid_until IS NULL OR y.valid_until > a.decided_at)
        AND y.user_id IS DISTINCT FROM a.proposed_by
        AND y.user_id NOT IN (SELECT user_id FROM judge WHERE judge.id = a.id))"""
"""Whether nobody held a role who could have approved a refill: they asked for it, or had judged."""

NO_CFO, NO_CEO = ABSENT.format(role="cfo"), ABSENT.format(role="ceo")

APPROVER = f"""CASE
    WHEN {held("a", "a.decided_by", "a.decided_at", "'cfo'")} THEN true
    WHEN is_vouched AND NOT (has_judges OR is_above_approval OR varies)
        AND {held("a", "a.decided_by", "a.decided_at", "'group_finance_manager'")} THEN true
    WHEN {held("a", "a.decided_by", "a.decided_at", "'ceo'")} THEN {NO_CFO}
    ELSE {escalates("a", "a.decided_by", "a.decided_at")} AND {NO_CFO} AND {NO_CEO} END"""

JUDGING = (
    Check(
        name="endings_were_judged",
        invariant=Invariant.I8,
        object_type="case",
        query=f"""
        SELECT e.id AS object_id, e.kind, e.ending, e.proposed_by, e.decided_by, v.lacks
        FROM ({ENDED}) AS e CROSS JOIN LATERAL (
            SELECT string_agg(rule, '; ') AS lacks FROM (VALUES
            {", ".join(f"($${name}$$, coalesce({rule}, false))" for name, rule in RULES.items())}
            ) AS each (rule, is_kept) WHERE NOT is_kept) AS v
        WHERE e.decided_at >= :since AND v.lacks IS NOT NULL
        """,  # noqa: S608 - conditions of this file
    ),
    Check(
        name="late_truths_are_cases",
        invariant=Invariant.I8,
        object_type="payment",
        query=f"""
        SELECT e.payment_id AS object_id, e.attempt_number AS attempt
        FROM ({ENDED}) AS e JOIN payment_attempts t ON t.id = e.attempt_id
        WHERE e.ending = 'not_paid' AND t.state = 'settled' AND t.outcome_code <> 'people.paid'
            AND t.state_changed_at >= :since AND NOT EXISTS (
                SELECT FROM cases c WHERE c.object_id = e.payment_id AND c.id <> e.id
                    AND c.kind = 'contradiction' AND c.severity = 'severe')
        """,  # noqa: S608 - as above
    ),
    Check(
        name="signatures_were_witnessed",
        invariant=Invariant.I8,
        object_type="payment",
        # By a member who neither paid it out, nor asked for it, nor gets it.
        query="""
        SELECT k.payment_id AS object_id, k.witness_id, e.executor_id
        FROM cash_acknowledgements k JOIN payments p ON p.id = k.payment_id
            JOIN requisitions r ON r.id = p.requisition_id
            JOIN payment_executions e ON e.id = k.execution_id
        WHERE k.proof NOT IN ('code', 'sign_in') AND k.acknowledged_at >= :since AND NOT coalesce(
            k.witnessed_at <= k.acknowledged_at
            AND k.witness_id NOT IN (e.executor_id, r.requester_id)
            AND k.witness_id IS DISTINCT FROM p.payee_user_id
            AND NOT EXISTS (SELECT FROM contacts c
                WHERE c.company_id = p.company_id AND c.user_id = k.witness_id
                    AND c.value = ltrim(lower(p.destination), '+') AND c.held_from <= k.witnessed_at
                    AND (c.held_until IS NULL OR c.held_until >= r.created_at))
            AND EXISTS (SELECT FROM attachments f
                WHERE f.id = k.attachment_id AND f.payment_id = p.id), false)
        """,
    ),
    Check(
        name="replenishments_were_decided_apart",
        invariant=Invariant.I8,
        object_type="replenishment",
        # As it stood when it was approved. Ordinary is what fills the float and is vouched for,
        # where nothing was judged or paid above its approval since the refill before, and the
        # variances of a month were no matter.
        query=f"""
        WITH a AS (
            SELECT r.*, (
                SELECT coalesce(max(b.decided_at), '-infinity') FROM replenishments b
                WHERE b.fund_id = r.fund_id AND b.id <> r.id AND b.status IN ('funded', 'received')
                    AND b.decided_at < r.decided_at
                    -- It filled the float: what a smaller one left, the next one refills.
                    AND b.approved_amount >= (SELECT
                        i.float - i.stores + i.held - i.in_transit - i.advances_outstanding
                        FROM jsonb_to_record(b.identity) AS i (float numeric, stores numeric,
                            held numeric, in_transit numeric, advances_outstanding numeric))
                ) AS since
            FROM replenishments r
            WHERE r.status IN ('approved', 'funded', 'received') AND r.status_changed_at >= :since
        ), judge AS (
            SELECT a.id, j.user_id
            FROM cases c JOIN payments p ON p.id = c.object_id AND c.object_type = 'payment'
                JOIN stores s ON s.id = p.store_id JOIN a ON a.fund_id = s.fund_id
                CROSS JOIN LATERAL (VALUES (c.proposed_by), (c.decided_by)) AS j (user_id)
            WHERE c.decided_by IS NOT NULL AND j.user_id IS NOT NULL
                AND c.proposal ->> 'ending' IN ({ENDINGS})
                AND c.decided_at > a.since AND c.decided_at <= a.decided_at
        ), moved AS (
            SELECT a.id, v.decided_at, abs(v.variance_amount) AS amount,
                to_char(v.decided_at AT TIME ZONE coalesce(y.data ->> 'timezone', 'Africa/Nairobi'),
                    'YYYY-MM') AS month,
                coalesce((y.data -> 'materiality' ->> a.currency)::numeric, 0) AS materiality
            FROM a JOIN stores s ON s.fund_id = a.fund_id
                JOIN variance_adjustments v ON v.store_id = s.id AND v.status = 'approved'
                    AND v.decided_at <= a.decided_at
                LEFT JOIN LATERAL (
                    SELECT data FROM company_settings WHERE company_id = a.company_id
                        AND created_at <= a.decided_at ORDER BY version DESC LIMIT 1) AS y ON true
        )
        SELECT a.id AS object_id, a.status, a.proposed_by, a.decided_by, a.funded_by,
            a.received_by, is_vouched, has_judges, is_above_approval, varies
        FROM a CROSS JOIN LATERAL (
            SELECT (i.float - i.stores + i.held - i.in_transit - i.advances_outstanding
                        >= a.approved_amount
                    AND i.vouchers_not_replenished + i.payments_under_way >= a.approved_amount
                    AND i.difference = 0) AS is_vouched
            FROM jsonb_to_record(a.identity) AS i (float numeric, stores numeric, held numeric,
                in_transit numeric, advances_outstanding numeric, vouchers_not_replenished numeric,
                payments_under_way numeric, difference numeric)) AS stood
        CROSS JOIN LATERAL (SELECT
            EXISTS (SELECT FROM judge WHERE judge.id = a.id) AS has_judges,
            EXISTS (
                SELECT FROM payments p JOIN stores s ON s.id = p.store_id AND s.fund_id = a.fund_id
                    JOIN requisitions q ON q.id = p.requisition_id
                WHERE p.status = 'success' AND p.status_changed_at > a.since
                    AND p.status_changed_at <= a.decided_at
                    AND (p.paid_amount > p.amount OR q.approved_amount < (
                        SELECT sum(o.paid_amount) FROM payments o
                        WHERE o.requisition_id = q.id AND o.status = 'success'
                            AND o.status_changed_at <= a.decided_at))) AS is_above_approval,
            EXISTS (
                SELECT FROM moved WHERE moved.id = a.id GROUP BY month, materiality
                HAVING sum(amount) > materiality AND bool_or(decided_at > a.since)) AS varies
            ) AS story
        WHERE NOT coalesce(
            -- Nobody's name stands where the system asked, and where a step is still to come.
            coalesce(a.decided_by <> a.proposed_by, true)
            AND coalesce(a.funded_by NOT IN (a.proposed_by, a.decided_by), true)
            AND coalesce(a.received_by NOT IN (a.funded_by, a.decided_by), true)
            AND (a.status = 'approved' OR a.funded_by IS NOT NULL)
            AND NOT EXISTS (SELECT FROM judge WHERE judge.id = a.id
                AND judge.user_id IN (a.decided_by, a.funded_by, a.received_by))
            AND {APPROVER}, false)
        """,  # noqa: S608 - conditions of this file
    ),
)
"""Checks of what people said of money, against what they could know and who they were."""
