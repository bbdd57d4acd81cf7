-- Posts entries, closes their holds and fulfils what they were owed by, in one call that reads each
-- account once. A plan for the values at hand would be made anew at each call, for longer than it
-- runs; one made while the tables were empty would be kept until statistics come.
-- The settings prevent both.
CREATE OR REPLACE FUNCTION ledger_post(
    p_entries jsonb, p_close_holds text[],
    p_topic text DEFAULT NULL, p_fulfilled uuid[] DEFAULT '{}'
) RETURNS TABLE(posted uuid, rolled_to date)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    company uuid := current_company();
    touched uuid[];
    accounts ledger_accounts[];
    lines postings[];
    keys uuid[];
    newest uuid;
    freed holds[];
    zone text;
    wrong text;
BEGIN
    IF company IS NULL THEN
        RAISE EXCEPTION 'no company is set' USING ERRCODE = 'PC012';
    END IF;

    -- Before any account is locked: nobody waits for this.
    IF cardinality(p_fulfilled) > 0 THEN
        UPDATE outbox_messages SET completed_at = now(), failures = 0, last_error = NULL
            WHERE company_id = company AND topic = p_topic AND key = ANY (p_fulfilled)
                AND completed_at IS NULL;
    END IF;

    -- The gate that the closing of a period takes alone; then every account of the call, and of
    -- the holds that it closes, in one order: no deadlocks. A row that was waited for comes as
    -- those who held its lock have left it.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_setting('app.company', true), 0));
    touched := ARRAY(
            SELECT (p ->> 'account_id')::uuid
            FROM jsonb_array_elements(p_entries) e, jsonb_array_elements(e -> 'postings') p)
        || ARRAY(SELECT account_id FROM holds WHERE company_id = company AND source = ANY (p_close_holds));
    accounts := ARRAY(
        SELECT a FROM ledger_accounts a WHERE company_id = company AND id = ANY (touched)
        ORDER BY id FOR NO KEY UPDATE);

    -- Keys are above the one before and above what their accounts have, whatever the clocks of two
    -- hosts say: on every account the order of keys is the order of its postings.
    -- The database makes them: a host's clock decides nothing. What an account has from a time to
    -- come was made by one that ran ahead, and would keep all its postings out of their month.
    SELECT newest_entry_id INTO newest FROM unnest(accounts)
        WHERE newest_entry_id < uuid_of_instant(clock_timestamp() + interval '1 hour')
        ORDER BY newest_entry_id DESC LIMIT 1;
    FOR n IN 1..jsonb_array_length(p_entries) LOOP
        keys[n] := new_key();
        IF keys[n] <= newest THEN
            keys[n] := key_after(keys[n], newest);
        END IF;
        newest := keys[n];
    END LOOP;
    lines := ARRAY(
        SELECT jsonb_populate_record(NULL::postings, p.value || jsonb_build_object(
            'entry_id', keys[e.ordinality], 'company_id', company,
            'currency', e.value ->> 'currency', 'sequence', p.ordinality))
        FROM jsonb_array_elements(p_entries) WITH ORDINALITY e,
             jsonb_array_elements(e.value -> 'postings') WITH ORDINALITY p);

    SELECT format('account %s', line.account_id) INTO wrong
        FROM unnest(lines) line LEFT JOIN unnest(accounts) a
            ON a.id = line.account_id AND a.currency = line.currency
        WHERE a.id IS NULL LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% is not of this company and currency', wrong USING ERRCODE = 'PC008';
    END IF;

    IF cardinality(p_close_holds) > 0 THEN
        WITH closed AS (
            UPDATE holds SET state = 'posted', closed_at = now()
                WHERE company_id = company AND source = ANY (p_close_holds) AND state = 'open'
                RETURNING holds AS hold
        )
        SELECT array_agg(hold) INTO freed FROM closed;
        SELECT each INTO wrong FROM unnest(p_close_holds) AS each
            WHERE each NOT IN (SELECT source FROM unnest(freed)) LIMIT 1;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'hold % is not open', wrong USING ERRCODE = 'PC011';
        END IF;
    END IF;

    INSERT INTO journal_sources (company_id, source, entry_id)
        SELECT company, e.value ->> 'source', keys[e.ordinality]
        FROM jsonb_array_elements(p_entries) WITH ORDINALITY e;

    SELECT data ->> 'timezone' INTO zone FROM company_settings
        WHERE company_id = company ORDER BY version DESC LIMIT 1;
    zone := coalesce(zone, 'Africa/Nairobi');
    RETURN QUERY
    INSERT INTO journal_entries (id, company_id, source, rule, description, occurred_at, recorded_at,
            accounting_date, currency, created_by, payment_id, execution_id, reverses_entry_id,
            request_id)
        SELECT keys[n], company, e ->> 'source', e ->> 'rule', e ->> 'description',
            (e ->> 'occurred_at')::timestamptz, now(),
            accounting_day(company, ((e ->> 'occurred_at')::timestamptz AT TIME ZONE zone)::date,
                           coalesce((e ->> 'decision')::boolean, false)),
            e ->> 'currency', (e ->> 'created_by')::uuid, (e ->> 'payment_id')::uuid,
            (e ->> 'execution_id')::uuid, (e ->> 'reverses_entry_id')::uuid,
            nullif(current_setting('app.request_id', true), '')
        FROM jsonb_array_elements(p_entries) WITH ORDINALITY each (e, n)
        RETURNING id, CASE WHEN accounting_date > (occurred_at AT TIME ZONE zone)::date
                           THEN accounting_date END;

    WITH line AS (
        SELECT each.*, CASE side WHEN 'debit' THEN amount ELSE -amount END AS delta
        FROM unnest(lines) WITH ORDINALITY each
    ), written AS (
        INSERT INTO postings (entry_id, id, company_id, account_id, side, amount, currency, sequence,
                balance_after, fund_id, branch_id, department_id, cost_center_id, category,
                budget_line_id, party_id, tax_code, memo)
            SELECT entry_id, line.id, line.company_id, account_id, side, amount, line.currency,
                a.sequence + row_number() OVER running, a.balance + sum(delta) OVER running,
                line.fund_id, line.branch_id, line.department_id, line.cost_center_id,
                line.category, budget_line_id, line.party_id, tax_code, memo
            FROM line JOIN unnest(accounts) a ON a.id = account_id
            WINDOW running AS (PARTITION BY account_id ORDER BY ordinality
                               ROWS UNBOUNDED PRECEDING)
    ), change AS (
        SELECT account_id, sum(delta) AS delta, sum(more) AS more, sum(back) AS back,
            max(ordinality) AS last
        FROM (
            SELECT account_id, delta, 1 AS more, 0 AS back, ordinality FROM line
            UNION ALL SELECT account_id, 0, 0, amount + expected_fee, NULL FROM unnest(freed)
        ) AS part GROUP BY account_id
    )
    UPDATE ledger_accounts a
        SET balance = a.balance + change.delta, sequence = a.sequence + change.more,
            held = a.held - change.back,
            newest_entry_id = coalesce((lines[change.last]).entry_id, a.newest_entry_id)
        FROM change
        WHERE a.id = change.account_id AND a.company_id = company AND a.id = ANY (touched);
END
$body$;

REVOKE ALL ON FUNCTION ledger_post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_post TO pettycash_app;
