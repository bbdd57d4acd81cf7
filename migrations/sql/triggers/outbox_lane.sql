-- What is owed without a lane takes turns with its company.
CREATE OR REPLACE FUNCTION outbox_lane() RETURNS trigger
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off AS $body$
BEGIN NEW.lane := NEW.company_id; RETURN NEW; END
$body$;

CREATE OR REPLACE TRIGGER own_lane BEFORE INSERT OR UPDATE ON outbox_messages
    FOR EACH ROW WHEN (NEW.lane IS NULL AND NEW.completed_at IS NULL)
    EXECUTE FUNCTION outbox_lane();
