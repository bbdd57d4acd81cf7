"""I8: nobody moved money alone, and no two people who should not; proven from what happened.

The duties that exclude each other are read from `duty_pairs`; nothing else of the services is
asked, so that a rule that they forget is seen here. The nightly run looks only at what has changed
`:since` the last run that found nothing.
"""

from pettycash.services.reconciliation.invariants.checks import Check, Invariant

CONTROL = (
    Check(
        name="what_was_paid_was_approved",
        invariant=Invariant.I8,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, p.amount, p.method, r.approved_amount
        FROM payments p JOIN requisitions r ON r.id = p.requisition_id
        WHERE p.status IN ('success', 'reversed') AND p.status_changed_at >= :since
            AND NOT EXISTS (
                SELECT FROM approval_rounds a
                WHERE a.subject_id = r.id AND a.status = 'approved'
                    AND a.facts ->> 'currency' = p.currency
                    AND a.facts ->> 'payee_name' = p.payee_name
                    AND a.facts ->> 'method' = p.method
                    AND a.facts ->> 'destination' = p.destination
                    AND (a.facts ->> 'amount')::numeric >= greatest(p.amount, r.approved_amount)
                    -- A redirect sends no more there than its payment was; several add up.
                    AND (a.facts ->> 'payment_amount' IS NULL OR p.amount <= (
                        SELECT sum(sent.amount) FROM (
                            SELECT max((o.facts ->> 'payment_amount')::numeric) AS amount
                            FROM approval_rounds o
                            WHERE o.subject_id = r.id AND o.status = 'approved'
                                AND o.facts ->> 'method' = p.method
                                AND o.facts ->> 'destination' = p.destination
                            GROUP BY o.facts ->> 'payment_id') AS sent))
                    AND (SELECT count(*) > 0 AND count(*) = count(DISTINCT d.user_id)
                        FROM decisions d WHERE d.round_id = a.id
                            AND d.verdict IN ('approved', 'urgency_confirmed'))
                    -- Where a step is void, what was decided in it is.
                    AND EXISTS (SELECT FROM decisions d JOIN approval_steps s ON s.id = d.step_id
                        WHERE d.round_id = a.id AND s.status = 'approved'
                            AND d.verdict IN ('approved', 'urgency_confirmed'))
                    AND NOT EXISTS (SELECT FROM approval_steps s WHERE s.round_id = a.id
                        AND s.status NOT IN ('skipped', 'voided') AND NOT EXISTS (
                            SELECT FROM decisions d WHERE d.step_id = s.id
                                AND d.verdict IN ('approved', 'urgency_confirmed'))))
        """,
    ),
    Check(
        name="releases_were_proven",
        invariant=Invariant.I8,
        object_type="payment",
        # By a code of the executor's that was spent on it, or under a policy in force at the time.
        query="""
        SELECT e.payment_id AS object_id, e.attempt_number AS attempt, e.executor_id, e.proof
        FROM payment_executions e JOIN payments p ON p.id = e.payment_id
        LEFT JOIN release_grants g ON g.id = e.grant_id
        LEFT JOIN release_challenges c ON c.id = g.challenge_id
        WHERE e.created_at >= :since AND NOT CASE
            WHEN e.grant_id IS NOT NULL THEN g.spent_at IS NOT NULL
                AND (g.executor_id, c.executor_id, c.payment_id)
                    = (e.executor_id, e.executor_id, e.payment_id)
                AND (g.subject_digest IS NULL OR g.subject_digest = p.digest)
            ELSE e.amount < coalesce((
                SELECT CASE jsonb_typeof(s.data -> 'otp_floor')
                    WHEN 'object' THEN s.data -> 'otp_floor' ->> e.currency
                    ELSE CASE o.currency WHEN e.currency THEN s.data ->> 'otp_floor' END END
                FROM company_settings s JOIN companies o ON o.id = s.company_id
                WHERE s.company_id = e.company_id AND s.created_at <= e.created_at
                ORDER BY s.version DESC LIMIT 1)::numeric, 0)
            END
        """,
    ),
    Check(
        name="duties_were_apart",
        invariant=Invariant.I8,
        object_type="requisition",
        query="""
        WITH paid AS (
            SELECT requisition_id AS id FROM payments
                WHERE status IN ('success', 'reversed') AND status_changed_at >= :since
            -- Or people have said that it was not.
            UNION SELECT q.requisition_id
                FROM cases c JOIN payments q ON q.id = c.object_id AND c.object_type = 'payment'
                WHERE c.decided_by IS NOT NULL AND c.decided_at >= :since
                    AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned')
        ), p AS (
            SELECT q.id, q.company_id, q.requisition_id, q.maker_id, q.payee_user_id,
                coalesce(q.paid_at, q.status_changed_at) AS paid_at,
                ltrim(lower(q.destination), '+') AS value
            FROM payments q JOIN paid ON paid.id = q.requisition_id
        ), named AS (
            SELECT company_id, ltrim(lower(destination), '+') AS value, payee_user_id,
                min(created_at) AS since
            FROM payments WHERE payee_user_id IS NOT NULL GROUP BY 1, 2, 3
        ), about AS (
            SELECT id AS object_id, id AS requisition_id FROM paid
            UNION ALL SELECT id, requisition_id FROM p
        ), held (id, duty, user_id) AS (
            SELECT r.id, 'requester', r.requester_id FROM requisitions r JOIN paid USING (id)
            UNION SELECT t.subject_id, 'requester', t.user_id
                FROM approval_trail t JOIN paid ON paid.id = t.subject_id
                WHERE t.override = 'adopted'
            UNION SELECT r.id, 'requester', who.user_id
                FROM requisitions r JOIN paid USING (id) JOIN api_keys k ON k.id = r.client_id
                CROSS JOIN LATERAL (VALUES (k.created_by), (k.confirmed_by)) AS who (user_id)
            UNION SELECT r.id, 'recipient', r.payee_user_id
                FROM requisitions r JOIN paid USING (id)
            UNION SELECT requisition_id, 'recipient', payee_user_id FROM p
            -- Whose phone or e-mail it was at any time from submit until it was paid there.
            UNION SELECT p.requisition_id, 'recipient', c.user_id
                FROM p JOIN contacts c ON c.company_id = p.company_id AND c.value = p.value
                    AND c.held_from <= p.paid_at
                WHERE c.held_until IS NULL OR c.held_until >= (
                    SELECT min(o.created_at) FROM approval_rounds o
                    WHERE o.subject_id = p.requisition_id)
            -- Whom an earlier payment to it has named.
            UNION SELECT p.requisition_id, 'recipient', n.payee_user_id
                FROM p JOIN named n ON n.company_id = p.company_id AND n.value = p.value
                    AND n.since <= p.paid_at
            UNION SELECT d.subject_id, 'approver', d.user_id
                FROM decisions d JOIN paid ON paid.id = d.subject_id
                WHERE d.verdict IN ('approved', 'urgency_confirmed')
            UNION SELECT requisition_id, 'maker', maker_id FROM p
            UNION SELECT t.subject_id, 'maker', t.on_behalf_of
                FROM approval_trail t JOIN paid ON paid.id = t.subject_id
                WHERE t.override = 'remade'
            UNION SELECT r.id, 'maker', c.proposed_by
                FROM about JOIN requisitions r ON r.id = about.requisition_id
                JOIN changes c ON c.object_id = about.object_id AND c.kind = 'redirect'
                WHERE c.status = 'effective' AND c.proposed_by <> r.requester_id
                    AND NOT EXISTS (
                        SELECT FROM approval_trail t WHERE t.subject_id = r.id
                            AND t.override = 'adopted' AND t.user_id = c.proposed_by)
            UNION SELECT e.requisition_id, 'releaser', e.executor_id
                FROM payment_executions e JOIN paid ON paid.id = e.requisition_id
            UNION SELECT p.requisition_id, 'releaser', c.executor_id
                FROM p JOIN release_challenges c ON c.subject_id = p.id
            UNION SELECT p.requisition_id, 'recorder', a.uploaded_by
                FROM p JOIN attachments a ON a.payment_id = p.id
            UNION SELECT p.requisition_id, 'recorder', a.uploaded_by
                FROM p JOIN cases c ON c.object_id = p.id AND c.object_type = 'payment'
                JOIN attachments a ON a.company_id = c.company_id
                    AND (a.case_id = c.id OR a.id::text = c.proposal ->> 'evidence_id')
            UNION SELECT p.requisition_id, 'matcher', m.reconciled_by
                FROM p JOIN payment_reconciliations m ON m.payment_id = p.id
            UNION SELECT p.requisition_id, 'judge', j.user_id
                FROM p JOIN cases c ON c.object_id = p.id AND c.object_type = 'payment'
                CROSS JOIN LATERAL (VALUES (c.proposed_by), (c.decided_by)) AS j (user_id)
                WHERE c.decided_by IS NOT NULL
                    AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned'))
        SELECT a.id AS object_id, a.user_id AS person, a.duty, b.duty AS other
        FROM held a JOIN held b ON b.id = a.id AND b.user_id = a.user_id AND b.duty > a.duty
        JOIN duty_pairs x ON x.duty = a.duty AND x.other = b.duty
        -- Where an approval was void, whoever gave it may get the money: others have approved it.
        WHERE a.duty <> 'approver' OR b.duty NOT IN ('requester', 'recipient') OR EXISTS (
            SELECT FROM decisions d
                JOIN approval_steps s ON s.id = d.step_id AND s.status = 'approved'
                JOIN approval_rounds o ON o.id = d.round_id
                    AND o.status IN ('open', 'approved', 'handed_over')
            WHERE d.subject_id = a.id AND d.user_id = a.user_id
                AND d.verdict IN ('approved', 'urgency_confirmed'))
        """,
    ),
    Check(
        name="roles_were_given_by_two",
        invariant=Invariant.I8,
        object_type="role_assignment",
        query="""
        SELECT a.id AS object_id, a.role, a.user_id, a.proposed_by, a.confirmed_by
        FROM role_assignments a JOIN companies c ON c.id = a.company_id
        WHERE a.created_at >= :since AND NOT coalesce(CASE
            -- The first people of a company get theirs as it is set up, in nobody's name.
            WHEN a.proposed_by IS NULL AND a.confirmed_by IS NULL
                THEN a.is_bootstrap AND a.valid_from <= c.bootstrapped_at
            ELSE a.proposed_by <> a.confirmed_by
                AND a.user_id NOT IN (a.proposed_by, a.confirmed_by) AND EXISTS (
                SELECT FROM changes d WHERE d.status = 'effective'
                    AND (d.proposed_by, d.decided_by) = (a.proposed_by, a.confirmed_by)
                    AND (a.user_id::text IN (d.payload ->> 'user_id',
                            d.payload ->> 'custodian_id', d.payload ->> 'alternate_custodian_id')
                        OR d.kind = 'people_import' AND d.payload -> 'rows' @> (
                            SELECT jsonb_build_array(jsonb_build_object('values',
                                jsonb_build_object('kind', 'person', 'code', u.username,
                                    'roles', jsonb_build_array(a.role))))
                            FROM users u WHERE u.id = a.user_id)))
            END, false)
        """,
    ),
    Check(
        name="changes_were_decided_by_two",
        invariant=Invariant.I8,
        object_type="change",
        query="""
        SELECT id AS object_id, kind, proposed_by, decided_by FROM changes
        WHERE status = 'effective' AND decided_at >= :since
            AND NOT coalesce(proposed_by <> decided_by, false)
        """,
    ),
    Check(
        name="settings_of_two_were_set_by_two",
        invariant=Invariant.I8,
        object_type="company_settings",
        # Nobody's name stands where a company is set up, before anybody has one.
        query="""
        WITH told AS (
            SELECT id, version, changed_by, created_at, key, s.data -> key AS after,
                lag(s.data -> key) OVER (PARTITION BY key ORDER BY version) AS before,
                bool_or(changed_by IS NOT NULL) OVER (ORDER BY version) AS is_set_up
            FROM company_settings s CROSS JOIN (VALUES ('escalation_approver_id'),
                ('working_days'), ('holidays'), ('otp_floor'), ('materiality'), ('cfo_limit'),
                ('code_by_email'), ('code_by_sms'), ('small_team')) AS of_two (key))
        SELECT id AS object_id, version, key, before, after, changed_by
        FROM told
        WHERE created_at >= :since AND is_set_up
            AND coalesce(after, 'null') <> coalesce(before, 'null')
            AND NOT EXISTS (SELECT FROM changes d
                WHERE d.status = 'effective' AND d.decided_by = told.changed_by AND CASE d.kind
                    WHEN 'escalation_approver' THEN told.key = 'escalation_approver_id'
                        AND d.payload -> 'user_id' = coalesce(told.after, 'null')
                    WHEN 'settings' THEN d.payload -> told.key = told.after
                    ELSE false END)
        """,
    ),
    Check(
        name="keys_were_confirmed_by_two",
        invariant=Invariant.I8,
        object_type="api_key",
        query="""
        SELECT k.id AS object_id, k.created_by, k.confirmed_by
        FROM api_keys k
        WHERE k.confirmed_at >= :since AND NOT EXISTS (SELECT FROM changes d
            WHERE d.kind = 'api_key' AND d.object_id = k.id AND d.status = 'effective'
                AND (d.proposed_by, d.decided_by) = (k.created_by, k.confirmed_by))
        """,
    ),
    Check(
        name="deciders_are_reached_where_two_said",
        invariant=Invariant.I8,
        object_type="contact",
        # Not what somebody came with, nor what was entered before they decided anything.
        query="""
        SELECT c.id AS object_id, c.user_id, c.kind, c.held_from
        FROM contacts c
            JOIN memberships m ON m.company_id = c.company_id AND m.user_id = c.user_id
        WHERE c.held_from >= :since AND c.held_from > m.created_at
            AND (EXISTS (SELECT FROM role_assignments a
                    WHERE a.company_id = c.company_id AND a.user_id = c.user_id
                        AND a.role <> 'staff' AND a.created_at < c.held_from
                        AND coalesce(a.valid_until, 'infinity') > c.held_from)
                OR c.user_id::text = (SELECT s.data ->> 'escalation_approver_id'
                    FROM company_settings s
                    WHERE s.company_id = c.company_id AND s.created_at < c.held_from
                    ORDER BY s.version DESC LIMIT 1))
            AND NOT EXISTS (SELECT FROM changes d
                WHERE d.company_id = c.company_id AND d.kind = 'contact'
                    AND d.object_id = c.user_id AND d.status = 'effective'
                    AND d.created_at < c.held_from AND c.value = CASE c.kind
                        WHEN 'phone' THEN
                            regexp_replace(d.payload ->> 'phone', '[^0-9]', '', 'g')
                        ELSE lower(btrim(d.payload ->> 'email')) END)
        """,
    ),
)
"""Checks of decisions, against the people who took them."""
