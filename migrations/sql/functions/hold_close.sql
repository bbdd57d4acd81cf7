-- A hold ends, and its account has the money free again.
CREATE OR REPLACE FUNCTION hold_close(p_source text, p_state text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    company uuid := current_company();
    closed holds;
    account uuid;
BEGIN
    IF p_state NOT IN ('posted', 'voided') THEN
        RAISE EXCEPTION 'a hold ends posted or voided' USING ERRCODE = 'PC011';
    END IF;
    SELECT account_id INTO account FROM holds WHERE company_id = company AND source = p_source;
    PERFORM FROM ledger_accounts WHERE id = account FOR NO KEY UPDATE;
    UPDATE holds SET state = p_state, closed_at = now()
        WHERE company_id = company AND source = p_source AND state = 'open' RETURNING * INTO closed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hold % is not open', p_source USING ERRCODE = 'PC011';
    END IF;
    UPDATE ledger_accounts SET held = held - closed.amount - closed.expected_fee
        WHERE id = closed.account_id;
END
$body$;

REVOKE ALL ON FUNCTION hold_close FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_close TO pettycash_app;
