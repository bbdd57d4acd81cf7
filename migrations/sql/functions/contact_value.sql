-- Destinations are compared in lower case and without a plus.
CREATE FUNCTION contact_value(sort text, raw text) RETURNS text
LANGUAGE sql IMMUTABLE AS $body$
    SELECT nullif(CASE sort WHEN 'phone' THEN regexp_replace(raw, '[^0-9]', '', 'g')
                  ELSE ltrim(lower(btrim(raw)), '+') END, '')
$body$
