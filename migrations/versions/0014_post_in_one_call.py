"""Post in one call: locks, order of keys, dates, balances and holds in `ledger_post` alone.

Posting took six round trips under its locks. The function now takes the gate and the accounts'
locks, finds the newest key on them in the accounts themselves, and says which facts count in a
later month than their own. It names the accounts that it reads by an array, since for a set out of
JSON the planner expects thousands and reads all accounts of the company. What a row is checked for
at commit is what that row could have broken.

Revision ID: 0014
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from migrations.security import APP, function

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The month of a day is closed: people are refused, facts go to the first open month after it.
ACCOUNTING_DAY = """
DECLARE
    closed text;
BEGIN
    SELECT state INTO closed FROM ledger_periods
        WHERE company_id = p_company AND month = date_trunc('month', p_day)::date
            AND state <> 'open';
    IF closed IS NULL OR (closed = 'soft_closed' AND NOT p_decision) THEN
        RETURN p_day;
    END IF;
    IF p_decision THEN
        RAISE EXCEPTION 'the period of % is closed', p_day USING ERRCODE = 'PC010';
    END IF;
    RETURN (
        SELECT candidate::date
        FROM generate_series(date_trunc('month', p_day) + interval '1 month',
                             date_trunc('month', p_day) + interval '50 years',
                             interval '1 month') AS candidate
        WHERE NOT EXISTS (
            SELECT FROM ledger_periods p WHERE p.company_id = p_company
                AND p.month = candidate::date AND p.state <> 'open')
        ORDER BY candidate LIMIT 1
    );
END
"""

# The next millisecond after a key; the rest stays random (RFC 9562, version 7).
KEY_AFTER = """
    SELECT encode(overlay(uuid_send(p_key) PLACING substring(int8send(
        ('x' || left(replace(p_floor::text, '-', ''), 12))::bit(48)::bigint + 1) FROM 3)
        FROM 1 FOR 6), 'hex')::uuid
"""

LEDGER_POST = """
DECLARE
    company uuid := current_company();
    lines postings[];
    touched uuid[];
    keys uuid[];
    newest uuid;
    zone text;
    wrong text;
BEGIN
    IF company IS NULL THEN
        RAISE EXCEPTION 'no company is set' USING ERRCODE = 'PC012';
    END IF;

    -- The gate that the closing of a period takes alone; then every account of the call, and of
    -- the holds that it closes, in one order: no deadlocks.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_setting('app.company', true), 0));
    touched := ARRAY(
            SELECT (p ->> 'account_id')::uuid
            FROM jsonb_array_elements(p_entries) e, jsonb_array_elements(e -> 'postings') p)
        || ARRAY(SELECT account_id FROM holds WHERE company_id = company AND source = ANY (p_close_holds));
    PERFORM FROM ledger_accounts WHERE company_id = company AND id = ANY (touched)
        ORDER BY id FOR UPDATE;

    -- From here on every statement sees what those who held the locks before have written.
    -- Keys are above the one before and above what their accounts have, whatever the clocks of two
    -- hosts say: on every account the order of keys is the order of its postings.
    SELECT a.newest_entry_id INTO newest FROM ledger_accounts a
        WHERE a.company_id = company AND a.id = ANY (touched)
        ORDER BY a.newest_entry_id DESC NULLS LAST LIMIT 1;
    keys := ARRAY(SELECT (e ->> 'id')::uuid FROM jsonb_array_elements(p_entries) e);
    FOR n IN 1..cardinality(keys) LOOP
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
        FROM unnest(lines) line LEFT JOIN ledger_accounts a
            ON a.id = line.account_id AND a.company_id = company AND a.currency = line.currency
        WHERE a.id IS NULL LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% is not of this company and currency', wrong USING ERRCODE = 'PC008';
    END IF;

    SELECT each INTO wrong FROM unnest(p_close_holds) AS each WHERE NOT EXISTS (
        SELECT FROM holds WHERE company_id = company AND source = each AND state = 'open') LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'hold % is not open', wrong USING ERRCODE = 'PC011';
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
            SELECT entry_id, line.id, company_id, account_id, side, amount, currency,
                a.sequence + row_number() OVER running, a.balance + sum(delta) OVER running,
                fund_id, branch_id, department_id, cost_center_id, category, budget_line_id,
                party_id, tax_code, memo
            FROM line JOIN (
                SELECT id, sequence, balance FROM ledger_accounts
                    WHERE company_id = company AND id = ANY (touched)
            ) a ON a.id = account_id
            WINDOW running AS (PARTITION BY account_id ORDER BY ordinality
                               ROWS UNBOUNDED PRECEDING)
    ), closed AS (
        UPDATE holds SET state = 'posted', closed_at = now()
            WHERE company_id = company AND source = ANY (p_close_holds) AND state = 'open'
            RETURNING account_id, amount + expected_fee AS freed
    ), change AS (
        SELECT account_id, sum(delta) AS delta, sum(more) AS more, sum(freed) AS freed,
            max(ordinality) AS last
        FROM (
            SELECT account_id, delta, 1 AS more, 0 AS freed, ordinality FROM line
            UNION ALL SELECT account_id, 0, 0, freed, NULL FROM closed
        ) AS part GROUP BY account_id
    )
    UPDATE ledger_accounts a
        SET balance = a.balance + change.delta, sequence = a.sequence + change.more,
            held = a.held - change.freed,
            newest_entry_id = coalesce((lines[change.last]).entry_id, a.newest_entry_id)
        FROM change
        WHERE a.id = change.account_id AND a.company_id = company AND a.id = ANY (touched);
END
"""

# Nothing is ever taken away from an entry, so each row is checked for what its coming may break.
CHECK_ENTRY = """
DECLARE
    entry uuid;
    lines integer;
    difference numeric;
    strangers integer;
BEGIN
    -- One branch is planned per table: a journal entry has no field entry_id.
    IF TG_ARGV[0] = 'source' THEN
        IF NOT EXISTS (SELECT FROM journal_entries WHERE id = NEW.entry_id
                       AND company_id = NEW.company_id AND source = NEW.source) THEN
            RAISE EXCEPTION 'journal entry % is missing', NEW.entry_id USING ERRCODE = 'PC003';
        END IF;
        RETURN NULL;
    END IF;
    IF TG_ARGV[0] = 'entry' THEN
        entry := NEW.id;
        IF NOT EXISTS (SELECT FROM journal_sources WHERE company_id = NEW.company_id
                       AND source = NEW.source AND entry_id = NEW.id) THEN
            RAISE EXCEPTION 'journal entry % has no source', entry USING ERRCODE = 'PC003';
        END IF;
    ELSE
        -- Its foreign key says that the entry is there, and of the same company.
        entry := NEW.entry_id;
    END IF;
    SELECT count(*), sum(CASE side WHEN 'debit' THEN amount ELSE -amount END),
           count(*) FILTER (WHERE company_id <> NEW.company_id OR currency <> NEW.currency)
        INTO lines, difference, strangers FROM postings WHERE entry_id = entry;
    IF lines < 2 OR difference IS DISTINCT FROM 0 OR strangers > 0 THEN
        RAISE EXCEPTION 'journal entry % does not balance: % postings, difference %',
            entry, lines, difference USING ERRCODE = 'PC003';
    END IF;
    RETURN NULL;
END
"""

SIGNATURE = "ledger_post(p_entries jsonb, p_close_holds text[])"


def upgrade() -> None:
    op.add_column("ledger_accounts", sa.Column("newest_entry_id", sa.Uuid(), nullable=True))
    op.execute(
        """UPDATE ledger_accounts a SET newest_entry_id = (
               SELECT p.entry_id FROM postings p WHERE p.account_id = a.id
               ORDER BY p.entry_id DESC LIMIT 1) WHERE a.sequence > 0"""
    )
    op.execute(
        f"""CREATE FUNCTION key_after(p_key uuid, p_floor uuid) RETURNS uuid
            LANGUAGE sql IMMUTABLE AS $$ {KEY_AFTER} $$"""
    )
    function(
        "accounting_day(p_company uuid, p_day date, p_decision boolean)",
        ACCOUNTING_DAY,
        returns="date",
        volatile="STABLE",
    )
    op.execute("DROP FUNCTION ledger_post")
    op.execute("DROP FUNCTION accounting_date")
    function(
        SIGNATURE,
        LEDGER_POST,
        returns="TABLE (posted uuid, rolled_to date)",
        grant=APP,
    )
    # A plan for the values at hand would be made anew at each call, for longer than it runs.
    op.execute("ALTER FUNCTION ledger_post SET plan_cache_mode = force_generic_plan")
    _check_entries(CHECK_ENTRY)


def downgrade() -> None:
    before = import_module("migrations.versions.0006_guard_the_books")
    _check_entries(before.CHECK_ENTRY)
    op.execute("DROP FUNCTION ledger_post")
    op.execute("DROP FUNCTION accounting_day")
    op.execute("DROP FUNCTION key_after")
    function(
        "accounting_date(p_company uuid, p_occurred_at timestamptz, p_decision boolean)",
        before.ACCOUNTING_DATE,
        returns="date",
        volatile="STABLE",
    )
    function(SIGNATURE, before.LEDGER_POST, returns="void", grant=APP)
    op.drop_column("ledger_accounts", "newest_entry_id")


def _check_entries(body: str) -> None:
    op.execute(
        f"""CREATE OR REPLACE FUNCTION check_entry() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = public, pg_temp AS $body$ {body} $body$"""
    )
