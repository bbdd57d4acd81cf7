-- The duty of a person that excludes them from another one; NULL where none does.
CREATE OR REPLACE FUNCTION duty_conflict(p_requisition uuid, p_user uuid, p_duty text) RETURNS text
LANGUAGE sql STABLE AS $body$
    SELECT h.duty FROM duty_holders(p_requisition) h
    JOIN duty_pairs p ON p.duty = p_duty AND p.other = h.duty
    WHERE h.user_id = p_user LIMIT 1
$body$;
REVOKE ALL ON FUNCTION duty_conflict(uuid, uuid, text) FROM PUBLIC;
