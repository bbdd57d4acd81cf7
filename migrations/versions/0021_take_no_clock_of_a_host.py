"""Make keys that decide by the database's clock, number what has a newest, look after each month.

A key of version 7 carries the clock of the host that made it. One made months ahead put its row into
the default partition, then every later posting of its accounts, and then no partition of that month
could be made, nor any other, since all were made in one go. Entries get their keys from the
database now, and so does the exchange log; what an account has from a time to come is not believed.

Revision ID: 0021
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from migrations.security import APP, SYSTEM, function

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# The millisecond, its 4,096th part, and chance (RFC 9562, version 7, method 3 of section 6.2): what
# one database makes one after the other rises. One expression, so that PostgreSQL inlines it.
NEW_KEY = """
    SELECT (overlay(
        lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 512 / 125), 15, '0')
        PLACING '7' FROM 13 FOR 0) || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid
"""

OLD_KEY = """
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint)
            FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
"""

# Waiting for a lock, it keeps all others waiting: not for long then, and with nothing else in hand.
ENSURE_PARTITION = """
DECLARE
    first_day date := date_trunc('month', p_month)::date;
    child text := p_table || to_char(first_day, '_YYYY_MM');
BEGIN
    IF NOT EXISTS (SELECT FROM partitioned_tables WHERE name = p_table) THEN
        RAISE EXCEPTION '% is not partitioned by month', p_table USING ERRCODE = '22023';
    END IF;
    IF to_regclass(child) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, p_table,
            uuid_of_instant(first_day), uuid_of_instant((first_day + interval '1 month')::date));
    END IF;
END
"""

ROWS_IN_REST = """
BEGIN
    FOR relation IN SELECT name || '_rest' FROM partitioned_tables ORDER BY name LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %I LIMIT 1000) AS stray', relation)
            INTO counted;
        IF counted > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
"""

BEFORE = import_module("migrations.versions.0015_fulfil_where_it_is_posted")
BOOKS = import_module("migrations.versions.0006_guard_the_books")

OLD_KEYS = """    SELECT newest_entry_id INTO newest FROM unnest(accounts)
        ORDER BY newest_entry_id DESC NULLS LAST LIMIT 1;
    keys := ARRAY(SELECT (e ->> 'id')::uuid FROM jsonb_array_elements(p_entries) e);
    FOR n IN 1..cardinality(keys) LOOP
        IF keys[n] <= newest THEN
            keys[n] := key_after(keys[n], newest);
        END IF;
        newest := keys[n];
    END LOOP;
"""
NEW_KEYS = """    -- The database makes them: a host's clock decides nothing. What an account has from a time to
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
"""
OLD_LEDGER_POST = BEFORE.LEDGER_POST.replace("FOR UPDATE", "FOR NO KEY UPDATE")  # since 0018
LEDGER_POST = OLD_LEDGER_POST.replace(OLD_KEYS, NEW_KEYS)

NUMBERED = ("challenge_sends", "release_challenges", "release_grants")
SUBJECTS = ("payment", "replenishment")


def upgrade() -> None:
    _new_key(NEW_KEY)
    _ledger_post(LEDGER_POST)

    op.execute("DROP FUNCTION ensure_partitions")
    function(
        "ensure_partition(p_table text, p_month date)",
        ENSURE_PARTITION,
        returns="void",
        grant=SYSTEM,
    )
    op.execute("ALTER FUNCTION ensure_partition SET lock_timeout = '250ms'")
    op.execute("ALTER FUNCTION ensure_partition SET timezone = 'UTC'")
    function(
        "rows_in_rest()",
        ROWS_IN_REST,
        returns="TABLE (relation text, counted bigint)",
        grant=f"{APP}, {SYSTEM}",
        volatile="STABLE",
    )

    for table in NUMBERED:
        op.add_column(table, sa.Column("sequence", sa.BigInteger(), nullable=True))
        op.execute(
            f"""UPDATE {table} t SET sequence = numbered.n FROM (
                    SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM {table}
                ) AS numbered WHERE numbered.id = t.id"""
        )
        op.alter_column(table, "sequence", nullable=False)
        op.execute(f"ALTER TABLE {table} ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY")
        op.execute(
            f"""SELECT setval(pg_get_serial_sequence('{table}', 'sequence'),
                    coalesce(max(sequence), 0) + 1, false) FROM {table}"""
        )
    for subject in SUBJECTS:
        name = f"ix_release_challenges_{subject}"
        op.drop_index(name, "release_challenges")
        op.create_index(name, "release_challenges", [f"{subject}_id", "sequence"])


def downgrade() -> None:
    for subject in SUBJECTS:
        name = f"ix_release_challenges_{subject}"
        op.drop_index(name, "release_challenges")
        op.create_index(name, "release_challenges", [f"{subject}_id", "id"])
    for table in NUMBERED:
        op.drop_column(table, "sequence")
    op.execute("DROP FUNCTION rows_in_rest")
    op.execute("DROP FUNCTION ensure_partition")
    function(
        "ensure_partitions(months_ahead integer)",
        BOOKS.ENSURE_PARTITIONS,
        returns="void",
        grant=SYSTEM,
    )
    _ledger_post(OLD_LEDGER_POST)
    _new_key(OLD_KEY)


def _new_key(body: str) -> None:
    op.execute(
        f"CREATE OR REPLACE FUNCTION new_key() RETURNS uuid LANGUAGE sql VOLATILE AS $$ {body} $$"
    )


def _ledger_post(body: str) -> None:
    op.execute(
        f"""CREATE OR REPLACE FUNCTION {BEFORE.SIGNATURE} RETURNS {BEFORE.RETURNS}
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
            SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
            AS $body$ {body} $body$"""
    )
