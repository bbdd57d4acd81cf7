CREATE FUNCTION keep_contacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $body$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        PERFORM hold_contact(m.company_id, m.user_id, 'email', NEW.email)
            FROM memberships m WHERE m.user_id = NEW.id ORDER BY m.company_id;
        RETURN NULL;
    END IF;
    PERFORM hold_contact(NEW.company_id, NEW.user_id, 'phone', NEW.phone);
    IF TG_OP = 'INSERT' THEN
        PERFORM hold_contact(NEW.company_id, NEW.user_id, 'email', u.email)
            FROM users u WHERE u.id = NEW.user_id;
    END IF;
    RETURN NULL;
END
$body$
