-- Takes a key; NULL where an earlier request has it. Waiting for its first user is bounded.
-- With the owner's hands, since nobody else may take a key over; never one of less than a day.
CREATE OR REPLACE FUNCTION idempotency_take(
    p_id uuid, p_principal text, p_method text, p_route text, p_key text,
    p_fingerprint bytea, p_now timestamptz, p_kept_since timestamptz
) RETURNS uuid LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms'
AS $body$
DECLARE
    taken uuid;
BEGIN
    INSERT INTO idempotency_keys AS kept
        (id, company_id, principal, method, route, key, fingerprint, headers)
    VALUES (p_id, current_company(), p_principal, p_method, p_route, p_key, p_fingerprint, '{}')
    ON CONFLICT (company_id, principal, method, route, key) DO UPDATE
        -- Only one that is too old to be kept is taken over.
        SET fingerprint = p_fingerprint, status = NULL, body = NULL, headers = '{}',
            created_at = p_now
        WHERE kept.created_at < least(p_kept_since, p_now - interval '1 day')
    RETURNING kept.id INTO taken;
    RETURN taken;
END
$body$;

REVOKE ALL ON FUNCTION idempotency_take FROM PUBLIC;
GRANT EXECUTE ON FUNCTION idempotency_take TO pettycash_app;
