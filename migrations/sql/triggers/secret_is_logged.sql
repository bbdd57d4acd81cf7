-- A secret of a person never changes without a line in the security log, whoever changes it. It names
-- who acted, as far as the transaction knows, and whose secret it is.
CREATE OR REPLACE FUNCTION secret_is_logged() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    changed text[] := ARRAY(
        SELECT field FROM (VALUES
            ('password', NEW.password_hash IS DISTINCT FROM OLD.password_hash),
            ('totp_seed', NEW.totp_seed IS DISTINCT FROM OLD.totp_seed),
            ('totp_enrolled_at', NEW.totp_enrolled_at IS DISTINCT FROM OLD.totp_enrolled_at)
        ) AS each (field, is_new) WHERE is_new);
BEGIN
    IF changed <> '{}' THEN
        INSERT INTO security_events (id, company_id, user_id, event, outcome, detail, request_id)
            VALUES (new_key(), current_company(),
                    nullif(current_setting('app.actor', true), '')::uuid,
                    'user.secret_changed', 'ok',
                    jsonb_build_object('subject_id', NEW.id, 'fields', changed, 'role', session_user),
                    nullif(current_setting('app.request_id', true), ''));
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION secret_is_logged() FROM PUBLIC;

CREATE OR REPLACE TRIGGER secrets BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION secret_is_logged();
