"""Row-level security, one test per table: without a scope nothing is seen, with one only one's own.

Every table gets a row of each of two companies first, so that each test could fail. What may be
seen without a scope is named here, with the reason.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extras import Json, register_uuid

from pettycash.models import Base
from tests.models import catalogue
from tests.models.catalogue import Connection, connected, name, refusal, rows
from tests.servers import Database, Servers

register_uuid()

DENIED = "42501"

SEEN_WITHOUT_SCOPE = {
    "heartbeats": "signs of life of background parts, nobody's business data",
    "periodic_jobs": "how often a job of beat's has failed, nobody's business data",
    "platform_pauses": "whether the whole installation stands still",
    "restores": "when the database was restored, and how much was lost",
    "duty_pairs": "which duties are never one person's, the same everywhere",
    "incompatible_roles": "which roles are never one person's, the same everywhere",
    "alembic_version": "/readyz compares it with what the program knows",
}

NOT_GRANTED_TO_THE_APPLICATION = {
    "throttles": "attempts at signing in, before anybody has a company",
    "partitioned_tables": "names of tables, for the monthly partitions",
    "allowed_transitions": "read by triggers, with the owner's eyes",
}

WITHOUT_COMPANY = {
    "companies": "the tenant itself",
    "users": "a person; seen through a membership",
}
"""Business tables whose row is not found by a company_id of its own."""

SEEN_BY_THE_SYSTEM = {
    "alembic_version",
    "api_keys",
    "auth_sessions",
    "callbacks",
    "companies",
    "company_settings",
    "duty_pairs",
    "heartbeats",
    "idempotency_keys",
    "incompatible_roles",
    "memberships",
    "notices",
    "outbox_messages",
    "partitioned_tables",
    "payment_attempts",
    "periodic_jobs",
    "platform_pauses",
    "provider_accounts",
    "rail_slots",
    "report_chunks",
    "report_runs",
    "restores",
    "role_assignments",
    "security_events",
    "sign_in_links",
    "throttles",
    "users",
}
"""The named tables of the relay, signing in, the callback inbox, the nightly run and the host."""

METADATA = sorted(Base.metadata.tables)
EVERY = sorted({*METADATA, *SEEN_WITHOUT_SCOPE, *NOT_GRANTED_TO_THE_APPLICATION})
SCOPED = sorted(set(METADATA) - set(SEEN_WITHOUT_SCOPE) - set(NOT_GRANTED_TO_THE_APPLICATION))
OF_A_COMPANY = sorted(set(SCOPED) - set(WITHOUT_COMPANY))


@dataclass(frozen=True)
class Populated:
    """A database in which every table has a row of both companies."""

    database: Database
    demo: uuid.UUID
    other: uuid.UUID


@pytest.fixture(scope="module")
def populated(servers: Servers, worker_number: int) -> Iterator[Populated]:
    database = servers.clone(f"pettycash_rows_w{worker_number}")
    with connected(database.superuser_url) as superuser:
        found = dict(rows(superuser, "SELECT code, id FROM companies"))
        ready = Populated(database, found["DEMO"], found["OTHER"])
        _fill(superuser, ready)
    yield ready
    servers.drop(database.name)


def _fill(superuser: Connection, populated: Populated) -> None:
    """A row of each company in each table; what it says does not matter to row security."""
    with superuser.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign keys here
        checks = rows(
            superuser,
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conislocal",
        )
        for table, check in checks:
            cursor.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name(table), name(check))
            )
        for table in catalogue.tables(superuser):
            # Triggers would refuse some of it too; here row security has to do it alone.
            cursor.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name(table)))
            columns = catalogue.columns(superuser, table)
            if "company_id" not in columns:
                continue
            for company in (populated.demo, populated.other):
                kept = sql.SQL("SELECT count(*) FROM {} WHERE company_id = %s").format(name(table))
                if rows(superuser, kept, company) == [(0,)]:
                    _insert(cursor, table, columns, company)


def _insert(cursor: Any, table: str, columns: dict[str, str], company: uuid.UUID) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        name(table),
        sql.SQL(", ").join(name(column) for column in columns),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )
    cursor.execute(
        statement,
        [company if column == "company_id" else _some(kind) for column, kind in columns.items()],
    )


def _some(kind: str) -> object:
    """Any value of a type, another one each time where it can be."""
    return {
        "uuid": uuid.uuid4(),
        "text": uuid.uuid4().hex,
        "character varying": uuid.uuid4().hex[:40],
        "character": "KES",
        "timestamp with time zone": "2026-01-01T00:00:00Z",
        "date": "2026-01-01",
        "integer": 1,
        "smallint": 1,
        "bigint": 1,
        "numeric": 1,
        "boolean": True,
        "jsonb": Json({}),
        "bytea": uuid.uuid4().bytes,
        "ARRAY": [],
    }[kind]


@pytest.fixture
def app(populated: Populated) -> Iterator[Connection]:
    """A connection as the application role, for nobody."""
    with connected(populated.database.app_url) as connection:
        yield connection


def _act_for(connection: Connection, company: uuid.UUID) -> None:
    rows(connection, "SELECT set_config('app.company', %s, false)", str(company))


def _count(connection: Connection, table: str) -> int:
    return int(rows(connection, sql.SQL("SELECT count(*) FROM {}").format(name(table)))[0][0])


def test_every_table_is_looked_at(populated: Populated) -> None:
    with connected(populated.database.owner_url) as owner:
        assert catalogue.tables(owner) == EVERY


def test_row_security_is_forced_on_every_table(populated: Populated) -> None:
    with connected(populated.database.owner_url) as owner:
        lax = rows(
            owner,
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND NOT (relrowsecurity AND relforcerowsecurity)",
        )
    assert [table for (table,) in lax] == ["alembic_version"]


@pytest.mark.parametrize("table", SCOPED)
def test_without_a_scope_nothing_is_seen(app: Connection, populated: Populated, table: str) -> None:
    with connected(populated.database.owner_url) as owner:
        assert _count(owner, table) >= 2

    assert _count(app, table) == 0
    _act_for(app, uuid.uuid4())
    assert _count(app, table) == 0


@pytest.mark.parametrize("table", OF_A_COMPANY)
def test_a_scope_shows_the_rows_of_one_company(
    app: Connection, populated: Populated, table: str
) -> None:
    _act_for(app, populated.demo)
    query = sql.SQL("SELECT DISTINCT company_id FROM {}").format(name(table))

    assert rows(app, query) == [(populated.demo,)]


@pytest.mark.parametrize("table", OF_A_COMPANY)
def test_another_companys_rows_are_not_written(
    app: Connection, populated: Populated, table: str
) -> None:
    _act_for(app, populated.demo)
    columns = catalogue.columns(app, table)
    insert = sql.SQL("INSERT INTO {} (company_id) VALUES (%s)").format(name(table))
    assert refusal(app, insert, populated.other) == DENIED
    if table == "ledger_accounts" or not _may(app, table, "UPDATE"):
        return
    move = sql.SQL("UPDATE {} SET company_id = %s WHERE company_id = %s").format(name(table))
    assert refusal(app, move, populated.other, populated.demo) == DENIED
    touch = sql.SQL("UPDATE {0} SET {1} = {1} WHERE company_id = %s").format(
        name(table), name(next(iter(columns)))
    )
    with app.cursor() as cursor:
        cursor.execute(touch, [populated.other])
        assert cursor.rowcount == 0


def _may(connection: Connection, table: str, privilege: str) -> bool:
    query = "SELECT has_table_privilege(%s, %s)"
    return bool(rows(connection, query, table, privilege)[0][0])


def test_people_are_seen_through_a_membership_only(app: Connection, populated: Populated) -> None:
    _act_for(app, populated.demo)
    seen = {username for (username,) in rows(app, "SELECT username FROM users")}

    assert "staff" in seen
    assert "other_company" not in seen
    stranger = "UPDATE users SET display_name = 'mine' WHERE username = 'other_company'"
    with app.cursor() as cursor:
        cursor.execute(stranger)
        assert cursor.rowcount == 0


def test_only_ones_own_company_is_seen(app: Connection, populated: Populated) -> None:
    _act_for(app, populated.demo)

    assert rows(app, "SELECT id FROM companies") == [(populated.demo,)]
    assert refusal(app, "INSERT INTO companies (id) VALUES (%s)", uuid.uuid4()) == DENIED


@pytest.mark.parametrize("table", sorted(NOT_GRANTED_TO_THE_APPLICATION))
def test_some_tables_are_not_for_the_application(app: Connection, table: str) -> None:
    query = sql.SQL("SELECT 1 FROM {}").format(name(table))

    assert refusal(app, query) == DENIED


@pytest.mark.parametrize("table", sorted(SEEN_WITHOUT_SCOPE))
def test_what_is_seen_without_a_scope_is_not_written(app: Connection, table: str) -> None:
    assert refusal(app, sql.SQL("SELECT 1 FROM {}").format(name(table))) is None
    assert refusal(app, sql.SQL("DELETE FROM {}").format(name(table))) == DENIED
    assert not _may(app, table, "INSERT")
    assert not _may(app, table, "UPDATE")


@pytest.mark.parametrize("table", EVERY)
def test_the_system_role_sees_named_tables_only(populated: Populated, table: str) -> None:
    with connected(populated.database.system_url) as system:
        refused = refusal(system, sql.SQL("SELECT 1 FROM {}").format(name(table)))

        assert refused == (None if table in SEEN_BY_THE_SYSTEM else DENIED)


def test_partitions_have_no_door_of_their_own(app: Connection, populated: Populated) -> None:
    with connected(populated.database.owner_url) as owner:
        partitions = rows(
            owner,
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace",
        )
    assert partitions
    _act_for(app, populated.demo)
    for (partition,) in partitions:
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            assert not _may(app, partition, privilege), partition
