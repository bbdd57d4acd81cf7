-- At commit: what is called paid stands in the journal, and an attempt of it is settled.
CREATE OR REPLACE FUNCTION success_is_posted() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
BEGIN
    IF NOT EXISTS (SELECT FROM journal_sources WHERE company_id = NEW.company_id
                   AND source = 'payment:' || NEW.id || ':settled')
       OR NOT EXISTS (SELECT FROM payment_attempts
                      WHERE payment_id = NEW.id AND state = 'settled') THEN
        RAISE EXCEPTION 'payment % is called paid, and nothing says so', NEW.id
            USING ERRCODE = 'PC015';
    END IF;
    RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION success_is_posted() FROM PUBLIC;

DROP TRIGGER IF EXISTS success_is_posted ON payments;
CREATE CONSTRAINT TRIGGER success_is_posted AFTER INSERT OR UPDATE OF status ON payments
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'success')
    EXECUTE FUNCTION success_is_posted();
