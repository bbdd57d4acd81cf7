-- A match by a person: by nobody whose other duty excludes that.
CREATE OR REPLACE FUNCTION reconciler_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    excluded text;
BEGIN
    IF NEW.reconciled_by IS NOT NULL THEN
        excluded := duty_conflict(
            (SELECT requisition_id FROM payments WHERE id = NEW.payment_id),
            NEW.reconciled_by, 'matcher');
        IF excluded IS NOT NULL THEN
            RAISE EXCEPTION 'the % can''t reconcile the payment', excluded USING ERRCODE = 'PC004';
        END IF;
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION reconciler_duties() FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT ON payment_reconciliations
    FOR EACH ROW EXECUTE FUNCTION reconciler_duties();
