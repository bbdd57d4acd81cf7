-- A person works in a second company as well: then no single one may change their login.
CREATE OR REPLACE FUNCTION works_elsewhere(person uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $body$
BEGIN
    RETURN EXISTS (SELECT FROM memberships m
                   WHERE m.user_id = person AND m.company_id <> current_company());
END
$body$;

REVOKE ALL ON FUNCTION works_elsewhere FROM PUBLIC;
GRANT EXECUTE ON FUNCTION works_elsewhere TO pettycash_app;
