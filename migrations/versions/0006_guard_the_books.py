"""The books: posting, holding, balance, append-only, partitions.

Revision ID: 0006
"""

from alembic import op

from migrations.security import APP, SYSTEM, append_only, function, partition_monthly, secure

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PARTITIONED = ("journal_entries", "postings", "payment_transactions")
APPEND_ONLY = (
    *PARTITIONED,
    "journal_sources",
    "decisions",
    "approval_trail",
    "payment_executions",
    "payment_reconciliations",
    "security_events",
    "step_assignees",
    "company_settings",
)

REFUSE_REWRITING = """
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'PC002';
END
"""

ENSURE_PARTITIONS = """
DECLARE
    month date;
    parent text;
    child text;
    low uuid;
    high uuid;
BEGIN
    FOR ahead IN 0..months_ahead LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') + ahead * interval '1 month')::date;
        low := uuid_of_instant(month);
        high := uuid_of_instant((month + interval '1 month')::date);
        FOR parent IN SELECT name FROM partitioned_tables ORDER BY name LOOP
            child := parent || to_char(month, '_YYYY_MM');
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                               child, parent, low, high);
            END IF;
        END LOOP;
    END LOOP;
END
"""

ACCOUNTING_DATE = """
DECLARE
    zone text;
    day date;
BEGIN
    SELECT data ->> 'timezone' INTO zone FROM company_settings
        WHERE company_id = p_company ORDER BY version DESC LIMIT 1;
    day := (p_occurred_at AT TIME ZONE coalesce(zone, 'Africa/Nairobi'))::date;
    IF p_decision AND EXISTS (
        SELECT FROM ledger_periods WHERE company_id = p_company
            AND month = date_trunc('month', day)::date AND state <> 'open'
    ) THEN
        RAISE EXCEPTION 'the period of % is closed', day USING ERRCODE = 'PC010';
    END IF;
    IF NOT EXISTS (
        SELECT FROM ledger_periods WHERE company_id = p_company
            AND month = date_trunc('month', day)::date AND state = 'hard_closed'
    ) THEN
        RETURN day;
    END IF;
    RETURN (
        SELECT candidate::date
        FROM generate_series(date_trunc('month', day) + interval '1 month',
                             date_trunc('month', day) + interval '50 years',
                             interval '1 month') AS candidate
        WHERE NOT EXISTS (
            SELECT FROM ledger_periods p WHERE p.company_id = p_company
                AND p.month = candidate::date AND p.state <> 'open')
        ORDER BY candidate LIMIT 1
    );
END
"""

LEDGER_POST = """
DECLARE
    company uuid := current_company();
    wrong text;
BEGIN
    IF company IS NULL THEN
        RAISE EXCEPTION 'no company is set' USING ERRCODE = 'PC012';
    END IF;

    -- Every account of the call, and of the holds it closes, in one order: no deadlocks.
    PERFORM FROM ledger_accounts
        WHERE company_id = company AND id IN (
            SELECT (p ->> 'account_id')::uuid
                FROM jsonb_array_elements(p_entries) e, jsonb_array_elements(e -> 'postings') p
            UNION
            SELECT account_id FROM holds WHERE company_id = company AND source = ANY (p_close_holds))
        ORDER BY id FOR UPDATE;

    SELECT format('account %s', p ->> 'account_id') INTO wrong
        FROM jsonb_array_elements(p_entries) e, jsonb_array_elements(e -> 'postings') p
        LEFT JOIN ledger_accounts a
            ON a.id = (p ->> 'account_id')::uuid AND a.company_id = company
        WHERE a.id IS NULL OR a.currency <> e ->> 'currency' LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% is not of this company and currency', wrong USING ERRCODE = 'PC008';
    END IF;

    INSERT INTO journal_sources (company_id, source, entry_id)
        SELECT company, e ->> 'source', (e ->> 'id')::uuid FROM jsonb_array_elements(p_entries) e;

    INSERT INTO journal_entries (id, company_id, source, rule, description, occurred_at, recorded_at,
            accounting_date, currency, created_by, payment_id, execution_id, reverses_entry_id,
            request_id)
        SELECT (e ->> 'id')::uuid, company, e ->> 'source', e ->> 'rule', e ->> 'description',
            (e ->> 'occurred_at')::timestamptz, now(),
            accounting_date(company, (e ->> 'occurred_at')::timestamptz,
                            coalesce((e ->> 'decision')::boolean, false)),
            e ->> 'currency', (e ->> 'created_by')::uuid, (e ->> 'payment_id')::uuid,
            (e ->> 'execution_id')::uuid, (e ->> 'reverses_entry_id')::uuid,
            nullif(current_setting('app.request_id', true), '')
        FROM jsonb_array_elements(p_entries) e;

    WITH line AS (
        SELECT (e.value ->> 'id')::uuid AS entry_id, e.value ->> 'currency' AS currency, p.value AS p,
            (p.value ->> 'account_id')::uuid AS account_id,
            (p.value ->> 'amount')::numeric(18, 2) AS amount,
            CASE p.value ->> 'side' WHEN 'debit' THEN 1 ELSE -1 END AS sign,
            e.ordinality AS entry_no, p.ordinality AS posting_no
        FROM jsonb_array_elements(p_entries) WITH ORDINALITY e,
             jsonb_array_elements(e.value -> 'postings') WITH ORDINALITY p
    ), written AS (
        INSERT INTO postings (entry_id, id, company_id, account_id, side, amount, currency, sequence,
                balance_after, fund_id, branch_id, department_id, cost_center_id, category,
                budget_line_id, party_id, tax_code, memo)
            SELECT line.entry_id, (p ->> 'id')::uuid, company, line.account_id, p ->> 'side',
                line.amount, line.currency,
                a.sequence + row_number() OVER running,
                a.balance + sum(line.sign * line.amount) OVER running,
                (p ->> 'fund_id')::uuid, (p ->> 'branch_id')::uuid, (p ->> 'department_id')::uuid,
                (p ->> 'cost_center_id')::uuid, p ->> 'category', (p ->> 'budget_line_id')::uuid,
                (p ->> 'party_id')::uuid, p ->> 'tax_code', p ->> 'memo'
            FROM line JOIN ledger_accounts a ON a.id = line.account_id
            WINDOW running AS (PARTITION BY line.account_id ORDER BY entry_no, posting_no
                               ROWS UNBOUNDED PRECEDING)
    ), change AS (
        SELECT account_id, sum(sign * amount) AS delta, count(*) AS lines FROM line GROUP BY account_id
    )
    UPDATE ledger_accounts a SET balance = a.balance + change.delta, sequence = a.sequence + change.lines
        FROM change WHERE a.id = change.account_id AND a.company_id = company;

    IF cardinality(p_close_holds) > 0 THEN
        PERFORM hold_close(each, 'posted') FROM unnest(p_close_holds) AS each ORDER BY each;
    END IF;
END
"""

HOLD_PLACE = """
DECLARE
    company uuid := current_company();
    account ledger_accounts;
BEGIN
    SELECT * INTO account FROM ledger_accounts
        WHERE id = p_account AND company_id = company FOR UPDATE;
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
"""

HOLD_CLOSE = """
DECLARE
    company uuid := current_company();
    closed holds;
    account uuid;
BEGIN
    IF p_state NOT IN ('posted', 'voided') THEN
        RAISE EXCEPTION 'a hold ends posted or voided' USING ERRCODE = 'PC011';
    END IF;
    SELECT account_id INTO account FROM holds WHERE company_id = company AND source = p_source;
    PERFORM FROM ledger_accounts WHERE id = account FOR UPDATE;
    UPDATE holds SET state = p_state, closed_at = now()
        WHERE company_id = company AND source = p_source AND state = 'open' RETURNING * INTO closed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hold % is not open', p_source USING ERRCODE = 'PC011';
    END IF;
    UPDATE ledger_accounts SET held = held - closed.amount - closed.expected_fee
        WHERE id = closed.account_id;
END
"""

CHECK_ENTRY = """
DECLARE
    entry uuid;
    parent journal_entries;
    lines integer;
    difference numeric;
    strangers integer;
BEGIN
    -- One branch is planned per table: a journal entry has no field entry_id.
    IF TG_ARGV[0] = 'entry' THEN entry := NEW.id; ELSE entry := NEW.entry_id; END IF;
    SELECT * INTO parent FROM journal_entries WHERE id = entry;
    IF NOT FOUND OR parent.company_id IS DISTINCT FROM NEW.company_id THEN
        RAISE EXCEPTION 'journal entry % is missing', entry USING ERRCODE = 'PC003';
    END IF;
    SELECT count(*), sum(CASE side WHEN 'debit' THEN amount ELSE -amount END),
           count(*) FILTER (WHERE company_id <> parent.company_id OR currency <> parent.currency)
        INTO lines, difference, strangers FROM postings WHERE entry_id = entry;
    IF lines < 2 OR difference IS DISTINCT FROM 0 OR strangers > 0 THEN
        RAISE EXCEPTION 'journal entry % does not balance: % postings, difference %',
            entry, lines, difference USING ERRCODE = 'PC003';
    END IF;
    IF NOT EXISTS (SELECT FROM journal_sources WHERE entry_id = entry
                   AND company_id = parent.company_id AND source = parent.source) THEN
        RAISE EXCEPTION 'journal entry % has no source', entry USING ERRCODE = 'PC003';
    END IF;
    RETURN NULL;
END
"""


def upgrade() -> None:
    op.execute("CREATE TABLE partitioned_tables (name text PRIMARY KEY)")
    secure("partitioned_tables", app=None, system="SELECT")
    function("refuse_rewriting()", REFUSE_REWRITING, returns="trigger")
    for table in APPEND_ONLY:
        append_only(table)

    op.execute(
        """CREATE FUNCTION uuid_of_instant(instant timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
               SELECT (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0')
                       || '00000000000000000000')::uuid $$"""
    )
    # Keys are made in Python; a statement that inserts a whole set of rows makes them here, alike.
    op.execute(
        """CREATE FUNCTION new_key() RETURNS uuid LANGUAGE sql VOLATILE AS $$
               SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                   PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint)
                       FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid $$"""
    )
    for table in PARTITIONED:
        partition_monthly(table)
    function(
        "ensure_partitions(months_ahead integer)", ENSURE_PARTITIONS, returns="void", grant=SYSTEM
    )
    op.execute("SET LOCAL timezone = 'UTC'")
    op.execute("SELECT ensure_partitions(2)")

    function(
        "accounting_date(p_company uuid, p_occurred_at timestamptz, p_decision boolean)",
        ACCOUNTING_DATE,
        returns="date",
        volatile="STABLE",
    )
    function("hold_close(p_source text, p_state text)", HOLD_CLOSE, returns="void", grant=APP)
    function(
        "hold_place(p_id uuid, p_account uuid, p_source text, p_currency text,"
        " p_amount numeric, p_fee numeric)",
        HOLD_PLACE,
        returns="void",
        grant=APP,
    )
    function(
        "ledger_post(p_entries jsonb, p_close_holds text[])", LEDGER_POST, returns="void", grant=APP
    )
    function("check_entry()", CHECK_ENTRY, returns="trigger")
    for table, argument in (
        ("journal_sources", "source"),
        ("journal_entries", "entry"),
        ("postings", "posting"),
    ):
        op.execute(
            f"""CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON {table}
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_entry('{argument}')"""
        )


def downgrade() -> None:
    for table in ("journal_sources", "journal_entries", "postings"):
        op.execute(f"DROP TRIGGER entry_balances ON {table}")
    for name in (
        "check_entry",
        "ledger_post",
        "hold_place",
        "hold_close",
        "accounting_date",
        "ensure_partitions",
        "uuid_of_instant",
        "new_key",
    ):
        op.execute(f"DROP FUNCTION {name}")
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER append_only ON {table}")
        op.execute(f"DROP TRIGGER append_only_rows ON {table}")
    op.execute("DROP FUNCTION refuse_rewriting")
    op.execute(
        """DO $$ DECLARE part record; BEGIN
            FOR part IN SELECT inhparent::regclass AS parent, inhrelid::regclass AS child
                FROM pg_inherits WHERE inhparent::regclass::text IN (SELECT name FROM partitioned_tables)
                ORDER BY inhparent::regclass::text DESC LOOP
                EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', part.parent, part.child);
                EXECUTE format('DROP TABLE %s', part.child);
            END LOOP; END $$"""
    )
    op.execute("DROP TABLE partitioned_tables")
