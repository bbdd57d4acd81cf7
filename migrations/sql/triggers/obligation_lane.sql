-- What is owed without a lane takes turns with its company.
CREATE OR REPLACE FUNCTION obligation_lane() RETURNS trigger
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off AS $body$
BEGIN NEW.lane := NEW.company_id; RETURN NEW; END
$body$;

CREATE OR REPLACE TRIGGER own_lane BEFORE INSERT OR UPDATE ON obligations
    FOR EACH ROW WHEN (NEW.lane IS NULL AND NEW.done_at IS NULL)
    EXECUTE FUNCTION obligation_lane();
