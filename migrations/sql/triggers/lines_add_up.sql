-- At commit, the lines of a requisition add up to its amount.
CREATE OR REPLACE FUNCTION lines_add_up() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    requisition requisitions;
    total numeric;
BEGIN
    IF TG_TABLE_NAME = 'requisitions' THEN
        SELECT * INTO requisition FROM requisitions WHERE id = NEW.id;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id;
    ELSE
        SELECT * INTO requisition FROM requisitions WHERE id = OLD.requisition_id;
    END IF;
    SELECT sum(amount) INTO total FROM requisition_lines WHERE requisition_id = requisition.id;
    IF total IS DISTINCT FROM requisition.amount THEN
        RAISE EXCEPTION 'lines add up to %, the requisition to %', total, requisition.amount
            USING ERRCODE = 'PC006';
    END IF;
    RETURN NULL;
END
$body$;

REVOKE ALL ON FUNCTION lines_add_up FROM PUBLIC;

DROP TRIGGER IF EXISTS lines_add_up ON requisition_lines;
CREATE CONSTRAINT TRIGGER lines_add_up AFTER INSERT OR DELETE ON requisition_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION lines_add_up();
DROP TRIGGER IF EXISTS lines_add_up ON requisitions;
CREATE CONSTRAINT TRIGGER lines_add_up AFTER INSERT OR UPDATE OF amount ON requisitions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION lines_add_up();
