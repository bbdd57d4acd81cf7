"""Cash of small vouchers, proven from what happened: who validated it, and within which limit.

What a fund's limit was when cash was released stands with the release. The services and their
functions are not asked: one payee is here, more simply than there, one member, phone or name.
"""

from pettycash.services.reconciliation.invariants.checks import Check, Invariant

STANDING = (
    Check(
        name="what_was_paid_was_validated",
        invariant=Invariant.I8,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, p.amount, p.method
        FROM payments p JOIN requisitions r ON r.id = p.requisition_id
        WHERE p.status IN ('success', 'reversed') AND p.status_changed_at >= :since
            AND num_nonnulls(p.maker_id, p.standing_validation_id, r.validated_by) = 0
        """,
    ),
    Check(
        name="standing_validations_covered_what_was_paid",
        invariant=Invariant.I8,
        object_type="payment",
        # A new version that was agreed to while the cash was being released may come before it.
        query="""
        SELECT p.id AS object_id, p.amount, v.version, v.valid_until, e.created_at AS released_at
        FROM payments p JOIN stores s ON s.id = p.store_id
            JOIN standing_validations v ON v.id = p.standing_validation_id
            CROSS JOIN LATERAL (SELECT max(x.created_at) AS created_at
                FROM payment_executions x WHERE x.payment_id = p.id) e
        WHERE p.status IN ('success', 'reversed') AND p.status_changed_at >= :since
            AND NOT coalesce(p.method = 'cash' AND v.fund_id = s.fund_id
                AND v.created_at <= e.created_at
                AND coalesce(v.valid_until, 'infinity') > e.created_at
                AND NOT EXISTS (SELECT FROM standing_validations n WHERE n.fund_id = v.fund_id
                    AND n.version > v.version
                    AND n.created_at < e.created_at - interval '1 minute')
                AND NOT EXISTS (SELECT FROM requisition_lines l
                    WHERE l.requisition_id = p.requisition_id
                        AND NOT v.categories ? l.category), false)
        """,
    ),
    Check(
        name="standing_validations_were_agreed_to",
        invariant=Invariant.I8,
        object_type="standing_validation",
        query="""
        SELECT v.id AS object_id, v.version, v.categories, c.proposed_by, c.decided_by
        FROM standing_validations v JOIN changes c ON c.id = v.change_id
        WHERE v.created_at >= :since AND NOT coalesce(
            c.kind = 'standing_validation' AND c.status = 'effective' AND c.object_id = v.fund_id
            AND c.payload -> 'categories' = v.categories AND c.proposed_by <> c.decided_by
            AND EXISTS (SELECT FROM role_assignments a
                WHERE a.company_id = v.company_id AND a.role = 'cfo'
                    AND a.user_id IN (c.proposed_by, c.decided_by)
                    AND a.valid_from <= v.created_at
                    AND coalesce(a.valid_until, 'infinity') >= v.created_at), false)
        """,
    ),
    Check(
        name="cash_of_a_requisition_was_within_its_limit",
        invariant=Invariant.I7,
        object_type="requisition",
        # Its newest release of cash counted all of it against the limit of that time.
        query="""
        SELECT q.id AS object_id, newest.cash_limit AS expected, paid.amount AS found
        FROM (SELECT DISTINCT e.requisition_id AS id FROM payment_executions e
              WHERE e.created_at >= :since AND e.cash_limit IS NOT NULL) q
            CROSS JOIN LATERAL (SELECT e.cash_limit FROM payment_executions e
                JOIN payments p ON p.id = e.payment_id AND p.method = 'cash'
                WHERE e.requisition_id = q.id ORDER BY e.id DESC LIMIT 1) newest
            CROSS JOIN LATERAL (SELECT sum(p.amount) AS amount FROM payments p
                WHERE p.requisition_id = q.id AND p.method = 'cash' AND p.status = 'success') paid
        WHERE paid.amount > newest.cash_limit
        """,
    ),
    Check(
        name="payees_got_no_more_in_a_day_than_the_limit",
        invariant=Invariant.I7,
        object_type="payment",
        # Beside what a standing validation let go, all cash of the fund that went to them before.
        query="""
        WITH zone AS (SELECT coalesce((SELECT data ->> 'timezone' FROM company_settings
                ORDER BY version DESC LIMIT 1), 'Africa/Nairobi') AS name
        ), cash AS (
            SELECT p.id, p.amount, p.paid_at, p.standing_validation_id, p.status_changed_at,
                s.fund_id, e.cash_limit, e.created_at AS released_at,
                coalesce(p.payee_user_id::text, CASE WHEN p.destination LIKE '+%' THEN p.destination
                    ELSE lower(regexp_replace(btrim(p.payee_name), '\\s+', ' ', 'g')) END) AS payee
            FROM payments p JOIN stores s ON s.id = p.store_id
                CROSS JOIN LATERAL (SELECT x.cash_limit, x.created_at FROM payment_executions x
                    WHERE x.payment_id = p.id ORDER BY x.attempt_number DESC LIMIT 1) e
            WHERE p.method = 'cash' AND p.status = 'success'
                AND p.paid_at >= CAST(:since AS timestamptz) - interval '2 days'
        )
        SELECT c.id AS object_id, c.cash_limit AS expected, c.amount + sum(o.amount) AS found
        FROM cash c CROSS JOIN zone
            JOIN cash o ON o.fund_id = c.fund_id AND o.payee = c.payee AND o.id <> c.id
                AND o.released_at <= c.released_at
                AND (o.paid_at AT TIME ZONE zone.name)::date
                    = (c.released_at AT TIME ZONE zone.name)::date
        WHERE c.standing_validation_id IS NOT NULL AND c.status_changed_at >= :since
        GROUP BY c.id, c.amount, c.cash_limit
        HAVING c.amount + sum(o.amount) > c.cash_limit
        """,
    ),
)
"""What leaves a drawer without treasury, and how much cash at all."""
