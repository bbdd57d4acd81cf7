-- A role is given by two people, and never beside one that excludes it.
CREATE OR REPLACE FUNCTION role_duties() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    held text;
BEGIN
    IF NEW.user_id IN (NEW.proposed_by, NEW.confirmed_by) THEN
        RAISE EXCEPTION 'nobody proposes or confirms a role of their own' USING ERRCODE = 'PC004';
    END IF;
    -- One at a time of each person: neither of two roles may miss the other.
    PERFORM FROM memberships m WHERE m.company_id = NEW.company_id AND m.user_id = NEW.user_id
        FOR NO KEY UPDATE;
    IF NEW.is_bootstrap THEN
        NEW.created_at := transaction_timestamp();
        IF EXISTS (SELECT FROM role_assignments r WHERE r.company_id = NEW.company_id
                   AND r.created_at <> NEW.created_at) THEN
            RAISE EXCEPTION 'a company begins once; from then on a role takes two people'
                USING ERRCODE = 'PC004';
        END IF;
    END IF;
    SELECT r.role INTO held FROM role_assignments r
        JOIN incompatible_roles i ON i.role = NEW.role AND i.other = r.role
        WHERE r.company_id = NEW.company_id AND r.user_id = NEW.user_id
            AND r.valid_from < coalesce(NEW.valid_until, 'infinity')
            AND coalesce(r.valid_until, 'infinity') > NEW.valid_from
        LIMIT 1;
    IF held IS NOT NULL THEN
        RAISE EXCEPTION 'nobody holds % and % at one time', NEW.role, held USING ERRCODE = 'PC026';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION role_duties FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT ON role_assignments
    FOR EACH ROW EXECUTE FUNCTION role_duties();
