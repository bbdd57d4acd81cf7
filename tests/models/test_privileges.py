"""What the working roles may not do, in plain SQL: own, rewrite, post past the books, climb."""

from collections.abc import Iterator

import pytest
from psycopg2 import sql

from tests.models import catalogue
from tests.models.catalogue import APP, OWNER, SYSTEM, Connection, connected, name, refusal, rows
from tests.servers import Database

DENIED = "42501"
APPEND_ONLY_STATE = "PC002"

APPEND_ONLY = [
    "approval_trail",
    "company_settings",
    "decisions",
    "journal_entries",
    "journal_sources",
    "payment_executions",
    "payment_reconciliations",
    "payment_transactions",
    "postings",
    "security_events",
    "step_assignees",
]
"""No role rewrites these, the owner included."""

NEVER_CHANGED_BY_THE_APPLICATION = sorted(
    {*APPEND_ONLY, "attachments", "attachment_contents", "holds", "requisition_lines"}
)
"""The application may add to these or call what does, and change no row of them."""

DELETED_BY_THE_APPLICATION = {"requisition_lines"}
"""A draft's lines are replaced as a whole; nothing else is ever deleted."""

ONLY_BY_FUNCTION = ["holds", "journal_entries", "journal_sources", "postings"]
"""Written by ledger_post, hold_place and hold_close alone."""


NEW_ACCOUNT = (
    "INSERT INTO ledger_accounts (id, company_id, code, name, kind, currency, {})"
    " VALUES (gen_random_uuid(), current_company(), 'X', 'X', 'bank', 'KES', 1000)"
)


@pytest.fixture
def app(database: Database, demo_company: str) -> Iterator[Connection]:
    """A connection as the application role in the demo company; everything is rolled back."""
    with connected(database.app_url) as connection:
        rows(connection, "SELECT set_config('app.company', %s, false)", demo_company)
        yield connection


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with connected(database.owner_url) as connection:
        yield connection


def _column(connection: Connection, table: str) -> sql.Identifier:
    return name(next(iter(catalogue.columns(connection, table))))


def test_the_working_roles_own_nothing_and_have_no_powers(owner: Connection) -> None:
    owned = rows(
        owner,
        "SELECT count(*) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid"
        " WHERE d.deptype = 'o' AND r.rolname = ANY (%s)",
        [APP, SYSTEM],
    )
    powers = rows(
        owner,
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND"
        " (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)",
        [APP, SYSTEM, OWNER],
    )
    memberships = rows(
        owner,
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member"
        " WHERE r.rolname = ANY (%s)",
        [APP, SYSTEM],
    )

    assert owned == [(0,)]
    assert powers == []
    assert memberships == [(0,)]


def test_the_owner_owns_every_table(owner: Connection) -> None:
    owners = rows(
        owner,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    )

    assert owners == [(OWNER,)]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("role", ["app", "owner"])
def test_what_is_append_only_is_rewritten_by_nobody(
    request: pytest.FixtureRequest, role: str, table: str
) -> None:
    connection: Connection = request.getfixturevalue(role)
    column = _column(connection, table)
    refused = DENIED if role == "app" else APPEND_ONLY_STATE

    for statement in (
        sql.SQL("UPDATE {table} SET {column} = {column}"),
        sql.SQL("UPDATE {table} SET {column} = {column} WHERE false"),
        sql.SQL("DELETE FROM {table}"),
        sql.SQL("TRUNCATE {table} CASCADE"),
    ):
        filled = statement.format(table=name(table), column=column)
        assert refusal(connection, filled) == refused, filled.as_string(connection)


@pytest.mark.parametrize("table", NEVER_CHANGED_BY_THE_APPLICATION)
def test_facts_are_not_updated_by_the_application(app: Connection, table: str) -> None:
    statement = sql.SQL("UPDATE {0} SET {1} = {1}").format(name(table), _column(app, table))

    assert refusal(app, statement) == DENIED


def test_nothing_but_lines_of_a_draft_is_deleted(app: Connection, owner: Connection) -> None:
    for table in catalogue.tables(owner):
        may = rows(app, "SELECT has_table_privilege(%s, 'DELETE')", table)[0][0]
        assert may is (table in DELETED_BY_THE_APPLICATION), table
        emptied = rows(app, "SELECT has_table_privilege(%s, 'TRUNCATE')", table)[0][0]
        assert emptied is False, table


@pytest.mark.parametrize("table", ONLY_BY_FUNCTION)
def test_the_books_are_written_by_their_functions_only(
    app: Connection, demo_company: str, table: str
) -> None:
    statement = sql.SQL("INSERT INTO {} (company_id) VALUES (%s)").format(name(table))

    assert refusal(app, statement, demo_company) == DENIED


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_accounts SET balance = balance + 1",
        "UPDATE ledger_accounts SET held = 0",
        "UPDATE ledger_accounts SET sequence = 0",
        "UPDATE ledger_accounts SET currency = 'USD'",
        "UPDATE ledger_accounts SET kind = 'equity'",
        NEW_ACCOUNT.format("balance"),
        NEW_ACCOUNT.format("held"),
        NEW_ACCOUNT.format("sequence"),
    ],
)
def test_balances_are_not_written_by_hand(app: Connection, statement: str) -> None:
    before = rows(app, "SELECT sum(balance), sum(held) FROM ledger_accounts")

    assert refusal(app, statement) == DENIED
    assert rows(app, "SELECT sum(balance), sum(held) FROM ledger_accounts") == before


@pytest.mark.parametrize(
    "statement",
    [
        f"SET ROLE {OWNER}",
        f"SET SESSION AUTHORIZATION {OWNER}",
        "SET session_replication_role = replica",
        "SET row_security = off; SELECT * FROM cases",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE postings DISABLE TRIGGER ALL",
        "ALTER TABLE postings DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_company ON cases",
        "DROP TRIGGER append_only ON postings",
        "CREATE POLICY mine ON cases USING (true)",
        "CREATE SCHEMA mine",
        "COPY postings TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT refuse_rewriting()",
    ],
)
def test_the_application_does_not_climb(app: Connection, statement: str) -> None:
    assert refusal(app, statement) == DENIED


def test_the_application_gives_nothing_away(app: Connection, owner: Connection) -> None:
    refusal(app, "GRANT ALL ON postings TO PUBLIC")  # PostgreSQL only warns

    for table in catalogue.tables(owner):
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            found = rows(owner, "SELECT has_table_privilege('public', %s, %s)", table, privilege)
            assert found == [(False,)], (table, privilege)


def test_functions_that_lend_the_owners_eyes_have_a_fixed_path_and_few_callers(
    owner: Connection,
) -> None:
    lenders = rows(
        owner,
        "SELECT p.proname, p.proconfig,"
        " has_function_privilege('public', p.oid, 'EXECUTE'),"
        " has_function_privilege(%s, p.oid, 'EXECUTE'),"
        " has_function_privilege(%s, p.oid, 'EXECUTE')"
        " FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef"
        " ORDER BY p.proname",
        APP,
        SYSTEM,
    )

    assert lenders
    for function, config, for_all, _, _ in lenders:
        assert "search_path=public, pg_temp" in config, function
        assert for_all is False, function
    assert {function for function, _, _, by_app, _ in lenders if by_app} == {
        "hold_close",
        "hold_place",
        "idempotency_take",
        "ledger_post",
        "rows_in_rest",
        "works_elsewhere",
    }
    assert {function for function, _, _, _, by_system in lenders if by_system} == {
        "ensure_partition",
        "rows_in_rest",
    }


def test_guards_that_look_up_by_key_plan_by_key(owner: Connection) -> None:
    """A later CREATE OR REPLACE takes these settings away without a word."""
    guards = rows(
        owner,
        "SELECT p.proname, p.proconfig FROM pg_proc p"
        " WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef"
        " AND (p.proname IN ('hold_close', 'hold_place', 'ledger_post')"
        " OR p.prorettype = 'trigger'::regtype) AND p.proname <> 'refuse_rewriting'"
        " ORDER BY p.proname",
    )

    assert "check_entry" in {function for function, _ in guards}
    for function, config in guards:
        assert {"plan_cache_mode=force_generic_plan", "enable_seqscan=off"} <= set(config), function
