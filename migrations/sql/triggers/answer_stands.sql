-- An answer that was stored is given again; a key is taken anew only long after.
CREATE OR REPLACE FUNCTION answer_stands() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
BEGIN
    IF (NEW.company_id, NEW.principal, NEW.method, NEW.route, NEW.key)
       IS DISTINCT FROM (OLD.company_id, OLD.principal, OLD.method, OLD.route, OLD.key)
       OR NEW.created_at < OLD.created_at + interval '1 day' AND (
           NEW.fingerprint <> OLD.fingerprint OR NEW.created_at <> OLD.created_at
           OR OLD.status IS NOT NULL AND (NEW.status, NEW.headers, NEW.body)
                  IS DISTINCT FROM (OLD.status, OLD.headers, OLD.body)) THEN
        RAISE EXCEPTION 'a stored answer stands' USING ERRCODE = 'PC009';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION answer_stands() FROM PUBLIC;

CREATE OR REPLACE TRIGGER answers BEFORE UPDATE ON idempotency_keys
    FOR EACH ROW EXECUTE FUNCTION answer_stands();
