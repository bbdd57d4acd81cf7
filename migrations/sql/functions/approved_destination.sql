-- Whether people who may approve have seen that so much of a requisition goes there: what its last
-- submission named goes there whole, and by each redirect since what its payment was then. Each is a
-- round with a decision that stands: of a step that is void nobody has decided anything. A round that
-- was voided or sent back takes those before it with it. `payment` is the one that is asked about;
-- what others of the requisition take there counts. That all of them together are no more than was
-- approved is another rule, which says so by its name. PL/pgSQL keeps its plan; SQL would plan it at
-- every release.
CREATE OR REPLACE FUNCTION approved_destination(
    requisition uuid, method text, destination text, payment uuid, amount numeric
) RETURNS boolean LANGUAGE plpgsql STABLE AS $body$
BEGIN
    RETURN (SELECT coalesce(bool_or(seen.is_whole), false) OR coalesce(sum(seen.amount), 0) >= $5 + (
        SELECT coalesce(sum(p.amount), 0) FROM payments p
        WHERE p.requisition_id = $1 AND p.method = $2 AND p.destination = $3
            AND p.id IS DISTINCT FROM $4 AND p.status NOT IN ('cancelled', 'reversed')
            AND NOT (p.status = 'failed' AND p.failure_confirmed))
    FROM (
        SELECT max(coalesce(r.facts ->> 'payment_amount', r.facts ->> 'amount')::numeric) AS amount,
            r.facts ->> 'payment_id' IS NULL AS is_whole
        FROM approval_rounds r
        WHERE r.subject_id = $1 AND r.status = 'approved'
            AND r.facts ->> 'method' = $2 AND r.facts ->> 'destination' = $3
            AND EXISTS (SELECT FROM decisions d
                JOIN approval_steps s ON s.id = d.step_id AND s.status = 'approved'
                WHERE d.round_id = r.id AND d.verdict IN ('approved', 'urgency_confirmed'))
            AND NOT EXISTS (SELECT FROM approval_rounds n WHERE n.subject_id = $1
                AND n.number > r.number
                AND n.status IN ('voided', 'rejected', 'changes_requested'))
        GROUP BY r.facts ->> 'payment_id'
    ) AS seen);
END
$body$;

REVOKE ALL ON FUNCTION approved_destination FROM PUBLIC;
GRANT EXECUTE ON FUNCTION approved_destination TO pettycash_app, pettycash_system;
