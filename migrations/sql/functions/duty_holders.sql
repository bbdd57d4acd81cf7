-- Everybody who has a duty about the money of a requisition and its payments. Triggers read it with
-- the owner's eyes, services with their own.
CREATE OR REPLACE FUNCTION duty_holders(p_requisition uuid) RETURNS TABLE (duty text, user_id uuid)
LANGUAGE sql STABLE AS $body$
    WITH r AS (
        SELECT company_id, requester_id, client_id, payee_user_id, destination
        FROM requisitions WHERE id = p_requisition
    ), p AS (
        SELECT id, company_id, maker_id, payee_user_id, destination
        FROM payments WHERE requisition_id = p_requisition
    ), goes AS (
        SELECT company_id, ltrim(lower(destination), '+') AS value FROM r
        UNION SELECT company_id, ltrim(lower(destination), '+') FROM p
    ), asks AS (
        SELECT requester_id AS user_id FROM r
        UNION SELECT t.user_id FROM r JOIN approval_trail t ON t.company_id = r.company_id
            AND t.subject_id = p_requisition AND t.override = 'adopted'
        WHERE t.user_id IS NOT NULL
    ), submitted AS (
        SELECT min(created_at) AS at FROM approval_rounds WHERE subject_id = p_requisition
    )
    SELECT 'requester', user_id FROM asks
    UNION SELECT 'requester', who.user_id FROM r JOIN api_keys k ON k.id = r.client_id
        CROSS JOIN LATERAL (VALUES (k.created_by), (k.confirmed_by)) AS who (user_id)
        WHERE who.user_id IS NOT NULL
    UNION SELECT 'recipient', payee_user_id FROM r WHERE payee_user_id IS NOT NULL
    UNION SELECT 'recipient', payee_user_id FROM p WHERE payee_user_id IS NOT NULL
    UNION SELECT 'recipient', c.user_id FROM goes CROSS JOIN submitted
        JOIN contacts c ON c.company_id = goes.company_id AND c.value = goes.value
        WHERE c.held_until IS NULL OR c.held_until >= submitted.at
    UNION SELECT 'recipient', n.payee_user_id FROM goes
        JOIN payments n ON n.company_id = goes.company_id
            AND n.destination IN (goes.value, '+' || goes.value) AND n.payee_user_id IS NOT NULL
    UNION SELECT 'approver', d.user_id FROM decisions d
        WHERE d.subject_id = p_requisition AND d.verdict IN ('approved', 'urgency_confirmed')
    UNION SELECT 'maker', maker_id FROM p WHERE maker_id IS NOT NULL
    UNION SELECT 'maker', t.on_behalf_of FROM r JOIN approval_trail t
        ON t.company_id = r.company_id
            AND t.subject_id = p_requisition AND t.override = 'remade'
        WHERE t.on_behalf_of IS NOT NULL
    UNION SELECT 'maker', c.proposed_by FROM changes c
        WHERE c.object_id IN (SELECT p.id FROM p UNION ALL SELECT p_requisition)
            AND c.kind = 'redirect' AND c.status = 'effective'
            AND c.proposed_by NOT IN (SELECT user_id FROM asks)
    UNION SELECT 'releaser', c.executor_id FROM p
        JOIN release_challenges c ON c.subject_id = p.id
    UNION SELECT 'releaser', e.executor_id FROM p
        JOIN payment_executions e ON e.payment_id = p.id
    UNION SELECT 'judge', j.user_id FROM p
        JOIN cases c ON c.company_id = p.company_id AND c.object_type = 'payment'
            AND c.object_id = p.id
        CROSS JOIN LATERAL (VALUES (c.proposed_by), (c.decided_by)) AS j (user_id)
        WHERE j.user_id IS NOT NULL AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned')
    UNION SELECT 'recorder', a.uploaded_by FROM p JOIN attachments a ON a.payment_id = p.id
    UNION SELECT 'recorder', a.uploaded_by FROM p
        JOIN cases c ON c.company_id = p.company_id AND c.object_type = 'payment'
            AND c.object_id = p.id
        JOIN attachments a ON a.company_id = c.company_id AND a.case_id = c.id
    UNION SELECT 'matcher', k.reconciled_by FROM p
        JOIN payment_reconciliations k ON k.payment_id = p.id WHERE k.reconciled_by IS NOT NULL
$body$;
REVOKE ALL ON FUNCTION duty_holders(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION duty_holders(uuid) TO pettycash_app, pettycash_system;
