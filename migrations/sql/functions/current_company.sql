-- The company that the transaction works in; none is set: no rows of any.
CREATE OR REPLACE FUNCTION current_company() RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('app.company', true), '')::uuid
$$;
