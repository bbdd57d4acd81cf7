"""`live` is given back as the template has it, whatever the test before did to it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2 import sql

from tests.restoring import SEQUENCES, TABLES, Restored
from tests.servers import Database, Servers


@pytest.fixture(scope="module")
def restored(servers: Servers, worker_number: int) -> Iterator[Restored]:
    """One of these tests' own."""
    made = Restored(servers, f"pettycash_given_back_w{worker_number}", redis_database=0)
    yield made
    made.close()


def run(servers: Servers, database: Database, *statements: str) -> None:
    with closing(servers.postgres.connect(database=database.name)) as connection:
        for each in statements:
            connection.cursor().execute(each)


def content(servers: Servers, database: Database) -> dict[str, object]:
    """Every row and the state of every sequence."""
    found: dict[str, object] = {}
    with closing(servers.postgres.connect(database=database.name)) as connection:
        cursor = connection.cursor()
        cursor.execute(TABLES)
        for name, _ in cursor.fetchall():
            table = sql.Identifier(name)
            cursor.execute(sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(table))
            found[name] = cursor.fetchall()
        cursor.execute(SEQUENCES)
        for (name,) in cursor.fetchall():
            cursor.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(name))
            )
            found[name] = cursor.fetchone()
    return found


def number(servers: Servers, database: Database) -> int:
    """A copy's own number: another copy has another one."""
    with servers.superuser() as cursor:
        cursor.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", (database.name,))
        return int(cursor.fetchone()[0])


def test_rows_and_sequences_are_put_back(servers: Servers, restored: Restored) -> None:
    database = restored.fresh()
    before, copy = content(servers, database), number(servers, database)
    assert len(before) > 60
    run(
        servers, database,
        "SET session_replication_role = replica",
        "UPDATE users SET username = username || '!'",
        "DELETE FROM postings",
        "DELETE FROM memberships WHERE ctid = (SELECT min(ctid) FROM memberships)",
        "INSERT INTO heartbeats VALUES ('somebody', now())",
        "SELECT nextval(c.oid) FROM pg_class c WHERE relkind = 'S'"
        " AND relnamespace = 'public'::regnamespace",
    )  # fmt: skip
    spoilt = content(servers, database)
    differ = {name for name in before if spoilt[name] != before[name]}
    assert differ >= {"users", "postings", "memberships", "heartbeats"}
    assert any(name.endswith("_seq") for name in differ)

    again = restored.fresh()

    assert content(servers, again) == before
    assert number(servers, again) == copy


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE postings DISABLE TRIGGER append_only",
        "GRANT UPDATE ON postings TO pettycash_app",
        "GRANT UPDATE (balance) ON ledger_accounts TO pettycash_system",
        "ALTER TABLE cases NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY {policy} ON cases",
        "CREATE TABLE more (n int)",
        "CREATE OR REPLACE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE users ALTER COLUMN username DROP NOT NULL",
        "ALTER SEQUENCE {sequence} INCREMENT 2",
        "ANALYZE users",
        "ALTER DATABASE {database} SET default_transaction_read_only = on",
    ],
)
def test_where_more_than_rows_was_changed_there_is_a_new_copy(
    servers: Servers, restored: Restored, statement: str
) -> None:
    database = restored.fresh()
    before, copy = content(servers, database), number(servers, database)
    with closing(servers.postgres.connect(database=database.name)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT policyname FROM pg_policies WHERE tablename = 'cases' LIMIT 1")
        (policy,) = cursor.fetchone()
        cursor.execute(SEQUENCES)
        (sequence, *_) = cursor.fetchone()
    run(
        servers,
        database,
        statement.format(policy=policy, sequence=sequence, database=database.name),
    )

    again = restored.fresh()

    assert number(servers, again) != copy
    assert content(servers, again) == before


def test_whoever_is_still_at_work_is_ended(servers: Servers, restored: Restored) -> None:
    database = restored.fresh()
    before = content(servers, database)
    with closing(servers.postgres.connect(database=database.name)) as left:
        left.cursor().execute("BEGIN; SET LOCAL session_replication_role = replica")
        left.cursor().execute("DELETE FROM postings")

        again = restored.fresh()

    assert content(servers, again) == before


def test_where_it_is_gone_there_is_a_new_copy(servers: Servers, restored: Restored) -> None:
    database = restored.fresh()
    before = content(servers, database)
    servers.drop(database.name)

    assert content(servers, restored.fresh()) == before
