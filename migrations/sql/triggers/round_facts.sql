-- What a round approves is what its last approver saw; afterwards it only falls.
CREATE OR REPLACE FUNCTION round_facts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
BEGIN
    IF NEW.digest IS DISTINCT FROM facts_digest(NEW.facts) THEN
        RAISE EXCEPTION 'the digest of a round is that of its facts' USING ERRCODE = 'PC009';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'open' THEN
            RAISE EXCEPTION 'a round begins open' USING ERRCODE = 'PC014';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.subject_kind, NEW.subject_id, NEW.requester_id, NEW.company_id, NEW.number,
        NEW.threshold_id, NEW.policy)
       IS DISTINCT FROM
       (OLD.subject_kind, OLD.subject_id, OLD.requester_id, OLD.company_id, OLD.number,
        OLD.threshold_id, OLD.policy) THEN
        RAISE EXCEPTION 'a round keeps its subject and policy' USING ERRCODE = 'PC009';
    END IF;
    IF OLD.status <> 'open' AND NEW.facts <> OLD.facts AND NOT (
        OLD.status = 'approved' AND NEW.status = 'approved'
        AND NEW.facts - '{amount,lines}'::text[] = OLD.facts - '{amount,lines}'::text[]
        AND (NEW.facts ->> 'amount')::numeric < (OLD.facts ->> 'amount')::numeric) THEN
        RAISE EXCEPTION 'what was approved only falls' USING ERRCODE = 'PC009';
    END IF;
    IF NEW.status = OLD.status THEN
        RETURN NEW;
    END IF;
    IF OLD.status NOT IN ('open', 'approved') OR NEW.status = 'open' THEN
        RAISE EXCEPTION 'a round that is % can''t become %', OLD.status, NEW.status
            USING ERRCODE = 'PC007';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION round_facts() FROM PUBLIC;

CREATE OR REPLACE TRIGGER facts BEFORE INSERT OR UPDATE ON approval_rounds
    FOR EACH ROW EXECUTE FUNCTION round_facts();
