-- A step of a status that `allowed_transitions` does not know is refused.
CREATE OR REPLACE FUNCTION check_state() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
BEGIN
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM allowed_transitions t WHERE t.machine = TG_TABLE_NAME
            AND t.from_status = OLD.status AND t.to_status = NEW.status) THEN
        RAISE EXCEPTION '%: % can''t become %', TG_TABLE_NAME, OLD.status, NEW.status
            USING ERRCODE = 'PC007';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION check_state FROM PUBLIC;

CREATE OR REPLACE TRIGGER states BEFORE UPDATE ON payments
    FOR EACH ROW EXECUTE FUNCTION check_state();
CREATE OR REPLACE TRIGGER states BEFORE UPDATE ON replenishments
    FOR EACH ROW EXECUTE FUNCTION check_state();
CREATE OR REPLACE TRIGGER states BEFORE UPDATE ON requisitions
    FOR EACH ROW EXECUTE FUNCTION check_state();
