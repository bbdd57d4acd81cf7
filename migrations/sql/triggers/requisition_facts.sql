-- A requisition keeps its maker, company, currency and number.
CREATE OR REPLACE FUNCTION requisition_facts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
BEGIN
    IF NEW.requester_id <> OLD.requester_id OR NEW.company_id <> OLD.company_id
       OR NEW.currency <> OLD.currency OR NEW.number <> OLD.number THEN
        RAISE EXCEPTION 'a requisition keeps its maker, company, currency and number'
            USING ERRCODE = 'PC009';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION requisition_facts FROM PUBLIC;

CREATE OR REPLACE TRIGGER facts BEFORE UPDATE ON requisitions
    FOR EACH ROW EXECUTE FUNCTION requisition_facts();
