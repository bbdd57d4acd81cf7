-- Of a user's e-mail in every company, or of a member's phone: what was held ends, the new begins.
CREATE OR REPLACE FUNCTION keep_contacts() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    sort text := CASE TG_TABLE_NAME WHEN 'users' THEN 'email' ELSE 'phone' END;
    person uuid := CASE TG_TABLE_NAME WHEN 'users' THEN to_jsonb(NEW) ->> 'id'
                   ELSE to_jsonb(NEW) ->> 'user_id' END;
    company uuid := to_jsonb(NEW) ->> 'company_id';  -- null: in each
    told text := contact_value(sort, to_jsonb(NEW) ->> sort);
BEGIN
    UPDATE contacts SET held_until = now()
        WHERE user_id = person AND kind = sort AND held_until IS NULL
            AND company_id = coalesce(company, company_id) AND value IS DISTINCT FROM told;
    INSERT INTO contacts (id, company_id, user_id, kind, value, held_from)
        SELECT new_key(), m.company_id, person, sort, told, now()
        FROM memberships m
        WHERE m.user_id = person AND m.company_id = coalesce(company, m.company_id)
            AND told IS NOT NULL AND NOT EXISTS (
                SELECT FROM contacts c WHERE c.company_id = m.company_id AND c.user_id = person
                    AND c.kind = sort AND c.held_until IS NULL);
    RETURN NULL;
END
$body$;

REVOKE ALL ON FUNCTION keep_contacts FROM PUBLIC;

CREATE OR REPLACE TRIGGER contacts AFTER UPDATE OF phone ON memberships
    FOR EACH ROW EXECUTE FUNCTION keep_contacts();
CREATE OR REPLACE TRIGGER contacts AFTER UPDATE OF email ON users
    FOR EACH ROW EXECUTE FUNCTION keep_contacts();
