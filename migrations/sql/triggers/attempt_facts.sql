-- An attempt is what was released of its payment, and stays it.
CREATE OR REPLACE FUNCTION attempt_facts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (
            SELECT FROM payment_executions e JOIN payments p ON p.id = e.payment_id
            WHERE e.id = NEW.execution_id AND p.id = NEW.payment_id
                AND p.company_id = NEW.company_id AND e.attempt_number = NEW.number
                AND e.originator_reference = NEW.originator_reference
                AND e.amount = NEW.amount AND e.currency = NEW.currency
                AND p.payee_name = NEW.payee_name
                AND p.provider_account_id IS NOT DISTINCT FROM NEW.provider_account_id) THEN
            RAISE EXCEPTION 'an attempt is what was released' USING ERRCODE = 'PC013';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.company_id, NEW.payment_id, NEW.execution_id, NEW.number, NEW.provider_account_id,
        NEW.base_url, NEW.originator_reference, NEW.amount, NEW.currency, NEW.destination)
       IS DISTINCT FROM
       (OLD.company_id, OLD.payment_id, OLD.execution_id, OLD.number, OLD.provider_account_id,
        OLD.base_url, OLD.originator_reference, OLD.amount, OLD.currency, OLD.destination) THEN
        RAISE EXCEPTION 'an attempt keeps its instruction and reference' USING ERRCODE = 'PC009';
    END IF;
    IF OLD.state = 'settled' AND NEW.state <> 'settled' THEN
        RAISE EXCEPTION 'a settled attempt stays settled' USING ERRCODE = 'PC007';
    END IF;
    IF OLD.ever_unknown AND NOT NEW.ever_unknown THEN
        RAISE EXCEPTION 'an answer once lost stays lost' USING ERRCODE = 'PC009';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION attempt_facts() FROM PUBLIC;

CREATE OR REPLACE TRIGGER facts BEFORE INSERT OR UPDATE ON payment_attempts
    FOR EACH ROW EXECUTE FUNCTION attempt_facts();
