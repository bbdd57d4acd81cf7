-- Money is reserved on an account, never below its floor.
CREATE OR REPLACE FUNCTION hold_place(
    p_id uuid, p_account uuid, p_source text, p_currency text,
    p_amount numeric, p_fee numeric
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    company uuid := current_company();
    account ledger_accounts;
BEGIN
    SELECT * INTO account FROM ledger_accounts
        WHERE id = p_account AND company_id = company FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT account.is_active OR account.currency <> p_currency THEN
        RAISE EXCEPTION 'account % takes no holds of this company and currency', p_account
            USING ERRCODE = 'PC008';
    END IF;
    IF account.balance - account.held - p_amount - p_fee < account.floor THEN
        RAISE EXCEPTION 'available is %, floor is %', account.balance - account.held, account.floor
            USING ERRCODE = 'PC001';
    END IF;
    INSERT INTO holds (id, company_id, account_id, source, amount, expected_fee, state)
        VALUES (p_id, company, p_account, p_source, p_amount, p_fee, 'open');
    UPDATE ledger_accounts SET held = held + p_amount + p_fee WHERE id = p_account;
END
$body$;

REVOKE ALL ON FUNCTION hold_place FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_place TO pettycash_app;
