-- A standing validation is what two people agreed to, one of them the cfo.
CREATE OR REPLACE FUNCTION standing_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
BEGIN
    IF NOT EXISTS (
        SELECT FROM changes c
            JOIN role_assignments a ON a.company_id = c.company_id AND a.role = 'cfo'
                AND a.user_id IN (c.proposed_by, c.decided_by) AND a.valid_from <= NEW.created_at
                AND coalesce(a.valid_until, 'infinity') > NEW.created_at
        WHERE c.id = NEW.change_id AND c.company_id = NEW.company_id
            AND c.kind = 'standing_validation' AND c.status = 'effective'
            AND c.object_id = NEW.fund_id AND c.payload -> 'categories' = NEW.categories
            AND (c.payload ->> 'valid_until')::timestamptz IS NOT DISTINCT FROM NEW.valid_until)
    THEN
        RAISE EXCEPTION 'a standing validation takes two people, one of them the cfo'
            USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION standing_duties FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT ON standing_validations
    FOR EACH ROW EXECUTE FUNCTION standing_duties();
