CREATE OR REPLACE FUNCTION begin_contacts() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
BEGIN
    INSERT INTO contacts (id, company_id, user_id, kind, value, held_from)
        SELECT new_key(), NEW.company_id, NEW.user_id, k.kind, k.value, now()
        FROM users u CROSS JOIN LATERAL (VALUES
            ('phone', contact_value('phone', NEW.phone)),
            ('email', contact_value('email', u.email))) AS k (kind, value)
        WHERE u.id = NEW.user_id AND k.value IS NOT NULL;
    RETURN NULL;
END
$body$;

REVOKE ALL ON FUNCTION begin_contacts FROM PUBLIC;

CREATE OR REPLACE TRIGGER contacts_begin AFTER INSERT ON memberships
    FOR EACH ROW EXECUTE FUNCTION begin_contacts();
