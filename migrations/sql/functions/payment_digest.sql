-- What a code releases, as services/payments/facts.digest_of says it.
CREATE OR REPLACE FUNCTION payment_digest(p_payment payments) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT AS $body$
    SELECT facts_digest(jsonb_build_object(
        'payment', p_payment.id,
        'minor_units',
            (p_payment.amount * CASE WHEN p_payment.currency IN ('UGX', 'RWF') THEN 1 ELSE 100 END)::bigint,
        'currency', p_payment.currency,
        'method', p_payment.method,
        'payee', p_payment.payee_name,
        'destination', p_payment.destination,
        'store', p_payment.store_id))
$body$;
REVOKE ALL ON FUNCTION payment_digest(payments) FROM PUBLIC;
