-- The receipts of a requisition that was rejected or cancelled prove nothing: another may use them.
CREATE OR REPLACE FUNCTION free_attachments() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $body$
BEGIN
    UPDATE attachments SET in_force = false
    WHERE company_id = NEW.company_id AND requisition_id = NEW.id;
    RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION free_attachments FROM PUBLIC;

CREATE OR REPLACE TRIGGER free_attachments AFTER UPDATE OF status ON requisitions
    FOR EACH ROW WHEN (NEW.status IN ('rejected', 'cancelled') AND OLD.status <> NEW.status)
    EXECUTE FUNCTION free_attachments();
