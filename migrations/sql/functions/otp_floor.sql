-- From which amount on a release took a code at an instant; 0 (all of them) where nobody has said.
-- An amount that names no currency is of the company's own.
CREATE OR REPLACE FUNCTION otp_floor(p_company uuid, p_currency text, p_at timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE AS $body$
BEGIN  -- not SQL, which plans its statement at every call
    RETURN coalesce((
        SELECT CASE jsonb_typeof(s.data -> 'otp_floor')
            WHEN 'object' THEN s.data -> 'otp_floor' ->> p_currency
            ELSE CASE c.currency WHEN p_currency THEN s.data ->> 'otp_floor' END END
        FROM company_settings s JOIN companies c ON c.id = s.company_id
        WHERE s.company_id = p_company AND s.created_at <= p_at
        ORDER BY s.version DESC LIMIT 1)::numeric, 0);
END
$body$;
REVOKE ALL ON FUNCTION otp_floor(uuid, text, timestamptz) FROM PUBLIC;
