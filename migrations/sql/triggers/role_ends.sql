-- A role that was given is only ended, and never prolonged.
CREATE OR REPLACE FUNCTION role_ends() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
BEGIN
    IF (to_jsonb(NEW) - 'valid_until') <> (to_jsonb(OLD) - 'valid_until')
       OR (NEW.valid_until IS DISTINCT FROM OLD.valid_until
           AND (NEW.valid_until IS NULL OR NEW.valid_until > OLD.valid_until)) THEN
        RAISE EXCEPTION 'a role that was given is only ended' USING ERRCODE = 'PC009';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION role_ends FROM PUBLIC;

CREATE OR REPLACE TRIGGER ends BEFORE UPDATE ON role_assignments
    FOR EACH ROW EXECUTE FUNCTION role_ends();
