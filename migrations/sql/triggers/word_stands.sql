-- What somebody said and who it was stays. The arguments: since when, and columns. Where the first
-- is empty, each column keeps the value that it has; else all keep theirs once the column of that
-- name has one.
CREATE OR REPLACE FUNCTION word_stands() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    since text := TG_ARGV[0];
    said jsonb := to_jsonb(OLD);
    now_said jsonb := to_jsonb(NEW);
BEGIN
    IF since <> '' AND said -> since = 'null' THEN
        RETURN NEW;
    END IF;
    FOR each IN 1 .. TG_NARGS - 1 LOOP
        IF said -> TG_ARGV[each] <> now_said -> TG_ARGV[each]
           AND (since <> '' OR said -> TG_ARGV[each] <> 'null') THEN
            RAISE EXCEPTION '% of % stands', TG_ARGV[each], TG_TABLE_NAME USING ERRCODE = 'PC009';
        END IF;
    END LOOP;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION word_stands() FROM PUBLIC;

CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF company_id, prefix, digest, scopes,
    expires_at, created_by, created_at
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('', company_id, prefix, digest, scopes, expires_at, created_by,
        created_at);
CREATE OR REPLACE TRIGGER word_stands_confirmed_at BEFORE UPDATE OF confirmed_at, confirmed_by
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('confirmed_at', confirmed_at, confirmed_by);
CREATE OR REPLACE TRIGGER word_stands_created_at BEFORE UPDATE OF branch_id, department_id
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('created_at', branch_id, department_id);
CREATE OR REPLACE TRIGGER word_stands_revoked_at BEFORE UPDATE OF revoked_at, revoked_by ON api_keys
    FOR EACH ROW EXECUTE FUNCTION word_stands('revoked_at', revoked_at, revoked_by);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF company_id, subject_id, round_id, position,
    role, scope_id, original_role, confirms_urgency
    ON approval_steps FOR EACH ROW
    EXECUTE FUNCTION word_stands('', company_id, subject_id, round_id, position, role, scope_id,
        original_role, confirms_urgency);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF decided_by ON cases
    FOR EACH ROW EXECUTE FUNCTION word_stands('', decided_by);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF company_id, kind, object_id, payload, digest,
    reason, proposed_by, proposed_at, created_at
    ON changes FOR EACH ROW
    EXECUTE FUNCTION word_stands('', company_id, kind, object_id, payload, digest, reason,
        proposed_by, proposed_at, created_at);
CREATE OR REPLACE TRIGGER word_stands_decided_by BEFORE UPDATE OF status, decider_id, decided_by,
    decided_at, decision_reason
    ON changes FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', status, decider_id, decided_by, decided_at,
        decision_reason);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF bootstrapped_at ON companies
    FOR EACH ROW EXECUTE FUNCTION word_stands('', bootstrapped_at);
CREATE OR REPLACE TRIGGER word_stands_decided_by BEFORE UPDATE OF state, proposed_by, proposed_at,
    decided_by, decided_at, decision_reason
    ON ledger_periods FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', state, proposed_by, proposed_at, decided_by,
        decided_at, decision_reason);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF company_id, user_id, created_at
    ON memberships FOR EACH ROW
    EXECUTE FUNCTION word_stands('', company_id, user_id, created_at);
CREATE OR REPLACE TRIGGER word_stands_decided_by BEFORE UPDATE OF proposed_by, proposed_at,
    decided_by, decided_at, decision_reason
    ON pauses FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', proposed_by, proposed_at, decided_by, decided_at,
        decision_reason);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF subject_kind, subject_id, subject_digest,
    executor_id
    ON release_challenges FOR EACH ROW
    EXECUTE FUNCTION word_stands('', subject_kind, subject_id, subject_digest, executor_id);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF proposed_by, proposed_at, decided_by,
    decided_at, decision_reason, approved_amount, funded_by, received_by
    ON replenishments FOR EACH ROW
    EXECUTE FUNCTION word_stands('', proposed_by, proposed_at, decided_by, decided_at,
        decision_reason, approved_amount, funded_by, received_by);
CREATE OR REPLACE TRIGGER word_stands_requester_id BEFORE UPDATE OF client_id ON requisitions
    FOR EACH ROW EXECUTE FUNCTION word_stands('requester_id', client_id);
CREATE OR REPLACE TRIGGER word_stands BEFORE UPDATE OF adjusted_amount, proposed_by, proposed_at,
    decided_by
    ON variance_adjustments FOR EACH ROW
    EXECUTE FUNCTION word_stands('', adjusted_amount, proposed_by, proposed_at, decided_by);
CREATE OR REPLACE TRIGGER word_stands_decided_by BEFORE UPDATE OF status, decided_at,
    decision_reason
    ON variance_adjustments FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', status, decided_at, decision_reason);
