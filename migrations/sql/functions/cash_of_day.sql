-- What a fund's drawers hold out to the payee of a voucher, or have handed to them on the company's
-- day of an instant, all but the voucher itself; with `p_pending` also what is yet to be released.
-- One payee is one member, named or reached at the destination; else one phone; and where a phone is
-- missing one name, however it is written. PL/pgSQL keeps its plan.
CREATE OR REPLACE FUNCTION cash_of_day(
    p_payment payments, p_fund uuid, p_at timestamptz, p_pending boolean
) RETURNS numeric LANGUAGE plpgsql STABLE AS $body$
DECLARE
    zone text;
    begins timestamptz;
    ends timestamptz;
    members uuid[];
BEGIN
    SELECT data ->> 'timezone' INTO zone FROM company_settings
        WHERE company_id = p_payment.company_id ORDER BY version DESC LIMIT 1;
    zone := coalesce(zone, 'Africa/Nairobi');
    begins := date_trunc('day', p_at AT TIME ZONE zone) AT TIME ZONE zone;
    ends := (date_trunc('day', p_at AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone;
    members := array_append(ARRAY(SELECT c.user_id FROM contacts c
        WHERE c.company_id = p_payment.company_id AND c.held_until IS NULL
            AND c.value = ltrim(lower(p_payment.destination), '+')), p_payment.payee_user_id);
    RETURN (SELECT coalesce(sum(greatest(p.amount, p.paid_amount)), 0)
        FROM payments p JOIN stores s ON s.id = p.store_id
        WHERE p.company_id = p_payment.company_id AND s.fund_id = p_fund AND p.method = 'cash'
            AND p.id <> p_payment.id
            AND (p.status = 'executing' OR (p_pending AND p.status = 'pending')
                OR (p.status = 'success' AND p.paid_at >= begins AND p.paid_at < ends))
            AND (p.payee_user_id = ANY(members) OR p.destination = p_payment.destination
                OR EXISTS (SELECT FROM contacts c
                    WHERE c.company_id = p.company_id AND c.user_id = ANY(members)
                        AND c.value = ltrim(lower(p.destination), '+') AND c.held_until IS NULL)
                OR (num_nonnulls(p.payee_user_id, p_payment.payee_user_id) < 2
                    AND concat(p.destination, p_payment.destination) LIKE '%@%'
                    AND lower(regexp_replace(btrim(p.payee_name), '\s+', ' ', 'g'))
                        = lower(regexp_replace(btrim(p_payment.payee_name), '\s+', ' ', 'g')))));
END
$body$;

REVOKE ALL ON FUNCTION cash_of_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cash_of_day TO pettycash_app;
