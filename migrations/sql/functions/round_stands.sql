-- Whether every step of a round was decided, each by another person, or had no need to be: skipped
-- by a confirmed urgency, where the policy lets it and never the last one, or void because somebody
-- else has decided it, here or in a later round.
CREATE OR REPLACE FUNCTION round_stands(p_round uuid) RETURNS boolean
LANGUAGE sql STABLE AS $body$
    WITH step AS (
        SELECT s.position, s.status, s.original_role, d.user_id, d.verdict
        FROM approval_steps s LEFT JOIN decisions d
            ON d.step_id = s.id AND d.verdict IN ('approved', 'urgency_confirmed')
        WHERE s.round_id = p_round
    )
    SELECT count(user_id) > 0 AND count(user_id) = count(DISTINCT user_id)
        AND bool_and(CASE status
            WHEN 'approved' THEN user_id IS NOT NULL
            WHEN 'skipped' THEN EXISTS (SELECT FROM step u WHERE u.verdict = 'urgency_confirmed')
                AND EXISTS (SELECT FROM step l
                    WHERE l.position > step.position AND l.status <> 'skipped')
                AND EXISTS (SELECT FROM approval_rounds r WHERE r.id = p_round
                    AND (r.policy ->> 'allow_urgent_fasttrack')::boolean
                    AND (r.policy ->> 'tier')::integer < (r.policy ->> 'top_tier')::integer)
            WHEN 'voided' THEN EXISTS (SELECT FROM step o
                    WHERE o.status = 'approved' AND o.original_role = step.original_role)
                OR user_id IS NOT NULL AND EXISTS (
                    SELECT FROM approval_rounds r JOIN approval_rounds n
                        ON n.subject_id = r.subject_id AND n.number > r.number
                    WHERE r.id = p_round)
            ELSE false END)
    FROM step
$body$;
REVOKE ALL ON FUNCTION round_stands(uuid) FROM PUBLIC;
