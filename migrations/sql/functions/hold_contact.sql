CREATE FUNCTION hold_contact(company uuid, person uuid, sort text, raw text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $body$
DECLARE
    -- Destinations are compared in lower case and without a plus.
    told text := nullif(CASE sort WHEN 'phone' THEN regexp_replace(raw, '[^0-9]', '', 'g')
                        ELSE lower(btrim(raw)) END, '');
BEGIN
    UPDATE contacts SET held_until = now()
        WHERE company_id = company AND user_id = person AND kind = sort AND held_until IS NULL
            AND value IS DISTINCT FROM told;
    INSERT INTO contacts (id, company_id, user_id, kind, value, held_from)
        SELECT new_key(), company, person, sort, told, now()
        WHERE told IS NOT NULL AND NOT EXISTS (
            SELECT FROM contacts WHERE company_id = company AND user_id = person AND kind = sort
                AND held_until IS NULL);
END
$body$
