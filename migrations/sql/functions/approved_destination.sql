-- Whether somebody who may approve has seen that the money of a requisition goes there: what its
-- last submission named, and each redirect since, is a round with its decisions. A round that was
-- voided or sent back takes those before it with it.
CREATE FUNCTION approved_destination(requisition uuid, method text, destination text)
RETURNS boolean LANGUAGE sql STABLE AS $body$
    SELECT EXISTS (
        SELECT FROM approval_rounds r
        WHERE r.requisition_id = $1 AND r.status = 'approved'
            AND r.facts ->> 'method' = $2 AND r.facts ->> 'destination' = $3
            AND EXISTS (SELECT FROM decisions d WHERE d.round_id = r.id
                AND d.verdict IN ('approved', 'urgency_confirmed'))
            AND NOT EXISTS (SELECT FROM approval_rounds n WHERE n.requisition_id = $1
                AND n.number > r.number
                AND n.status IN ('voided', 'rejected', 'changes_requested')))
$body$
