-- What a verified code is for, as it stands when it is verified; then it is spent once.
CREATE OR REPLACE FUNCTION grant_facts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    challenge release_challenges;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.company_id, NEW.challenge_id, NEW.executor_id, NEW.proof, NEW.verified_at,
            NEW.subject_kind, NEW.subject_id, NEW.subject_digest)
           IS DISTINCT FROM
           (OLD.company_id, OLD.challenge_id, OLD.executor_id, OLD.proof, OLD.verified_at,
            OLD.subject_kind, OLD.subject_id, OLD.subject_digest)
           OR NEW.expires_at > OLD.expires_at
           OR OLD.spent_at IS NOT NULL AND NEW.spent_at IS DISTINCT FROM OLD.spent_at THEN
            RAISE EXCEPTION 'a verified code stands as it is, and is spent once'
                USING ERRCODE = 'PC009';
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO challenge FROM release_challenges WHERE id = NEW.challenge_id;
    IF challenge.executor_id IS DISTINCT FROM NEW.executor_id THEN
        RAISE EXCEPTION 'a code is verified by whoever it was sent to' USING ERRCODE = 'PC004';
    END IF;
    NEW.subject_kind := challenge.subject_kind;
    NEW.subject_id := challenge.subject_id;
    NEW.subject_digest := CASE challenge.subject_kind
        WHEN 'payment' THEN (SELECT digest FROM payments WHERE id = challenge.subject_id)
        ELSE challenge.subject_digest END;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION grant_facts() FROM PUBLIC;

CREATE OR REPLACE TRIGGER facts BEFORE INSERT OR UPDATE ON release_grants
    FOR EACH ROW EXECUTE FUNCTION grant_facts();
