-- At commit: an approved round was approved by its steps, and the last of them saw what it says.
CREATE OR REPLACE FUNCTION round_is_decided() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
BEGIN
    IF NOT round_stands(NEW.id) OR NEW.digest IS DISTINCT FROM (
        SELECT d.digest FROM decisions d
        JOIN approval_steps s ON s.id = d.step_id
        WHERE d.round_id = NEW.id AND d.verdict IN ('approved', 'urgency_confirmed')
        ORDER BY s.position DESC LIMIT 1) THEN
        RAISE EXCEPTION 'not every step of the round approves what it says'
            USING ERRCODE = 'PC014';
    END IF;
    RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION round_is_decided() FROM PUBLIC;

DROP TRIGGER IF EXISTS round_is_decided ON approval_rounds;
CREATE CONSTRAINT TRIGGER round_is_decided AFTER UPDATE OF status ON approval_rounds
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'approved')
    EXECUTE FUNCTION round_is_decided();
