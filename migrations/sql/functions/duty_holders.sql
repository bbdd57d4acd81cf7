-- Everybody who has a duty about the money of a requisition and its payments: as
-- services/duties.holders. Read by triggers, with the owner's eyes.
CREATE OR REPLACE FUNCTION duty_holders(p_requisition uuid) RETURNS TABLE (duty text, user_id uuid)
LANGUAGE sql STABLE AS $body$
    WITH r AS (
        SELECT id, company_id, requester_id, client_id, payee_user_id, destination
        FROM requisitions WHERE id = p_requisition
    ), p AS (
        SELECT id, maker_id, payee_user_id, destination
        FROM payments WHERE requisition_id = p_requisition
    ), goes AS (
        SELECT destination FROM r UNION SELECT destination FROM p
    )
    SELECT 'requester', requester_id FROM r
    UNION SELECT 'requester', k.created_by FROM r JOIN api_keys k ON k.id = r.client_id
    UNION SELECT 'recipient', payee_user_id FROM r WHERE payee_user_id IS NOT NULL
    UNION SELECT 'recipient', payee_user_id FROM p WHERE payee_user_id IS NOT NULL
    UNION SELECT 'recipient', m.user_id FROM r CROSS JOIN goes
        JOIN memberships m ON m.company_id = r.company_id
            AND m.phone IN (goes.destination, '+' || goes.destination)
    UNION SELECT 'recipient', m.user_id FROM r CROSS JOIN goes
        JOIN memberships m ON m.company_id = r.company_id
        JOIN users u ON u.id = m.user_id AND lower(u.email) = goes.destination
        WHERE goes.destination LIKE '%@%'
    UNION SELECT 'approver', d.user_id FROM decisions d
        WHERE d.requisition_id = p_requisition AND d.verdict IN ('approved', 'urgency_confirmed')
    UNION SELECT 'maker', maker_id FROM p WHERE maker_id IS NOT NULL
    UNION SELECT 'releaser', e.executor_id FROM payment_executions e
        WHERE e.requisition_id = p_requisition
    UNION SELECT 'releaser', c.executor_id FROM p
        JOIN release_challenges c ON c.payment_id = p.id
    UNION SELECT 'judge', j.user_id FROM r CROSS JOIN p
        JOIN cases c ON c.company_id = r.company_id AND c.object_type = 'payment'
            AND c.object_id = p.id
        CROSS JOIN LATERAL (VALUES (c.proposed_by), (c.resolved_by)) AS j (user_id)
        WHERE j.user_id IS NOT NULL AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned')
$body$;
REVOKE ALL ON FUNCTION duty_holders(uuid) FROM PUBLIC;
