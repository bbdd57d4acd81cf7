-- Destinations are compared in lower case and without a plus.
CREATE OR REPLACE FUNCTION contact_value(sort text, raw text) RETURNS text
LANGUAGE sql IMMUTABLE AS $body$
    SELECT nullif(CASE sort WHEN 'phone' THEN regexp_replace(raw, '[^0-9]', '', 'g')
                  ELSE ltrim(lower(btrim(raw)), '+') END, '')
$body$;

REVOKE ALL ON FUNCTION contact_value FROM PUBLIC;
