"""Plain SQL against a database in which money has moved: what was written stays, and stays ours.

As the application role unless a test says otherwise. tests/models/test_duties.py attacks the
separation of duties, tests/services/ledger/test_posting.py the posting of entries.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pettycash.runtime import db
from pettycash.services.reconciliation.invariants import check_books
from tests.crash.system import Paid, System
from tests.factories.people import company_id

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

NO_PRIVILEGE, APPEND_ONLY = "42501", "PC002"

WRITTEN_ONCE = (
    "journal_entries",
    "postings",
    "journal_sources",
    "approval_trail",
    "decisions",
    "step_assignees",
    "payment_executions",
    "payment_transactions",
    "payment_reconciliations",
    "security_events",
    "company_settings",
    "restores",
)

SHARED = {
    "alembic_version": "the schema's own; readable by its owner alone",
    "allowed_transitions": "read by triggers with the owner's eyes",
    "companies": "its rows are companies; one sees its own",
    "duty_pairs": "what one person never is about one sum of money, in every company",
    "heartbeats": "signs of life of processes",
    "incompatible_roles": "what one person never holds in a company",
    "partitioned_tables": "the schema's own",
    "periodic_jobs": "how often each of beat's jobs has failed; one job serves every company",
    "platform_pauses": "what stands still for everybody; readable by all",
    "restores": "when the database was restored; readable by all",
    "throttles": "counted before anybody has signed in",
    "users": "a login may belong to several companies; one sees members of one's own",
}
"""Every table without a company, and why it has none."""


@pytest.fixture(scope="module")
def lived(running: System) -> Paid:
    """A payment that has gone all the way."""
    running.compose()
    running.revive()
    paid = running.payment()
    running.release(paid)
    running.await_success(paid)
    return paid


@contextmanager
def role(system: System, url: str) -> Iterator[Connection]:
    """A connection whose work is rolled back."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(
            text("SELECT set_config('app.company', :id, true)"), {"id": str(system.company_id)}
        )
        yield connection
        outer.rollback()


def refused(connection: Connection, statement: str) -> str | None:
    """By which SQLSTATE a statement is refused; None where it is not."""
    try:
        with connection.begin_nested():
            connection.execute(text(statement))
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except DBAPIError as error:
        return db.sqlstate(error)
    return None


def rewritings(table: str) -> list[str]:
    column = "number" if table == "restores" else "company_id"  # restores are nobody's own
    return [
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ]


@pytest.mark.parametrize("table", WRITTEN_ONCE)
def test_what_was_written_is_never_rewritten(system: System, lived: Paid, table: str) -> None:
    urls = {NO_PRIVILEGE: system.database.app_url, APPEND_ONLY: system.database.owner_url}
    for code, url in urls.items():
        with role(system, url) as connection:
            found = [refused(connection, statement) for statement in rewritings(table)]
        assert found == [code] * 3


def test_a_partition_is_no_back_door(system: System, lived: Paid) -> None:
    with role(system, system.database.superuser_url) as connection:
        partitions = list(
            connection.execute(
                text("SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class c"
                     " ON c.oid = inhrelid WHERE c.relkind = 'r' ORDER BY 1")
            ).scalars()
        )  # fmt: skip
    assert len(partitions) >= 9
    with role(system, system.database.app_url) as connection:
        for partition in partitions:
            assert refused(connection, f"SELECT * FROM {partition}") == NO_PRIVILEGE
            assert {refused(connection, each) for each in rewritings(partition)} == {NO_PRIVILEGE}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE payments SET amount = amount - 1 WHERE id = '{payment}'", "PC009"),
        ("UPDATE payments SET destination = '254700000000' WHERE id = '{payment}'", "PC009"),
        ("UPDATE payments SET status = 'pending', paid_at = NULL WHERE id = '{payment}'", "PC007"),
        ("UPDATE payments SET status = 'executing' WHERE id = '{payment}'", "PC007"),
        ("UPDATE payment_attempts SET originator_reference = 'x' WHERE id = '{attempt}'", "PC009"),
        ("UPDATE payment_attempts SET destination = 'x' WHERE id = '{attempt}'", "PC009"),
        ("UPDATE payment_attempts SET base_url = 'http://x' WHERE id = '{attempt}'", "PC009"),
        ("UPDATE payment_attempts SET state = 'queued' WHERE id = '{attempt}'", "PC007"),
        ("DELETE FROM payments WHERE id = '{payment}'", NO_PRIVILEGE),
        ("DELETE FROM payment_attempts WHERE id = '{attempt}'", NO_PRIVILEGE),
        ("DELETE FROM outbox_messages", NO_PRIVILEGE),
        ("DELETE FROM callbacks", NO_PRIVILEGE),
        ("DELETE FROM cases", NO_PRIVILEGE),
        ("UPDATE holds SET state = 'open'", NO_PRIVILEGE),
        ("ALTER TABLE postings DISABLE TRIGGER ALL", NO_PRIVILEGE),
        ("SET session_replication_role = replica", NO_PRIVILEGE),
        ("SET ROLE pettycash_owner", NO_PRIVILEGE),
        ("SET ROLE pettycash_system", NO_PRIVILEGE),
        ("SET row_security = off; SELECT * FROM payments", NO_PRIVILEGE),
    ],
)  # fmt: skip
def test_what_has_been_paid_is_not_talked_away(
    system: System, lived: Paid, statement: str, code: str
) -> None:
    values = {"payment": lived.id, "attempt": system.attempt(lived).id}
    with role(system, system.database.app_url) as connection:
        assert refused(connection, statement.format(**values)) == code


def tenant_tables(connection: Connection) -> tuple[list[str], list[str]]:
    """Tables with a company and those without, partitions aside."""
    rows = connection.execute(
        text(
            "SELECT relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid"
            " AND a.attname = 'company_id' AND NOT a.attisdropped) AS is_ours FROM pg_class c"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition ORDER BY relname"
        )
    ).all()
    return [row[0] for row in rows if row[1]], [row[0] for row in rows if not row[1]]


def test_every_table_has_a_company_or_a_reason(system: System) -> None:
    with role(system, system.database.superuser_url) as connection:
        tenant, shared = tenant_tables(connection)
        assert shared == sorted(SHARED)
        unguarded = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relname = ANY (:tables)"
                " AND NOT (relrowsecurity AND relforcerowsecurity)"
            ),
            {"tables": [*tenant, *(name for name in shared if name != "alembic_version")]},
        ).scalars()
        assert list(unguarded) == []


def test_another_companys_rows_are_neither_seen_nor_touched(system: System, lived: Paid) -> None:
    """In each table rows of another company are made first, so that there is something to hide."""
    own, other = str(system.company_id), str(company_id("OTHER"))
    with role(system, system.database.superuser_url) as connection:
        tables, _ = tenant_tables(connection)
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in tables:
            connection.execute(text(_copies(table, connection, own=own, other=other)))
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        there = {table: _count(connection, table, other) for table in tables}
        readable = [table for table in tables if _may(connection, table, "SELECT")]
        writable = [table for table in readable if _may(connection, table, "UPDATE")]
        connection.execute(text("SET LOCAL ROLE pettycash_app"))

        assert {table for table in tables if there[table]} >= LIVED_IN
        seen = {table: _count(connection, table, other) for table in readable}
        assert {table for table, count in seen.items() if count} == set()
        assert _count(connection, "payments", own) > 0, "the role sees nothing at all"

        for table in writable:
            touched = connection.execute(
                text(f"UPDATE {table} SET company_id = company_id WHERE company_id = :id"),
                {"id": other},
            )
            assert touched.rowcount == 0
            moved = refused(connection, f"UPDATE {table} SET company_id = '{other}'")
            assert moved is not None or _count(connection, table, own) == 0, table

        connection.execute(text("SELECT set_config('app.company', '', true)"))
        blind = {table: _count(connection, table, own) for table in readable}
        assert {table for table, count in blind.items() if count} == set()


LIVED_IN = {
    "approval_rounds", "approval_steps", "approval_trail", "callbacks", "company_settings",
    "decisions", "funds", "holds", "journal_entries", "journal_sources", "ledger_accounts",
    "memberships", "outbox_messages", "payment_attempts", "payment_executions",
    "payment_transactions", "payments", "postings", "provider_accounts", "release_challenges",
    "release_grants", "requisition_lines", "requisitions", "role_assignments", "security_events",
    "step_assignees", "stores",
}  # fmt: skip
"""Tables in which a company that has paid once must have rows, or the test shows nothing."""


def _may(connection: Connection, table: str, privilege: str) -> bool:
    return bool(
        connection.execute(
            text("SELECT has_table_privilege('pettycash_app', :table, :privilege)"),
            {"table": table, "privilege": privilege},
        ).scalar_one()
    )


def _count(connection: Connection, table: str, company: str) -> int:
    return int(
        connection.execute(
            text(f"SELECT count(*) FROM {table} WHERE company_id = :id"), {"id": company}
        ).scalar_one()
    )


def _copies(table: str, connection: Connection, *, own: str, other: str) -> str:
    """A statement that gives the other company three rows like ours, under keys of their own."""
    columns = connection.execute(
        text(
            "SELECT attname, atttypid = 'uuid'::regtype FROM pg_attribute WHERE attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' AND attidentity = ''"
            " AND attrelid = to_regclass(:table)"
        ),
        {"table": table},
    ).all()
    values = {
        name: f"CASE WHEN {name} IS NOT NULL THEN gen_random_uuid() END" if is_key else f'"{name}"'
        for name, is_key in columns
    } | {"company_id": f"'{other}'::uuid"}
    names = ", ".join(f'"{name}"' for name in values)
    return (
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())} FROM {table}"
        f" WHERE company_id = '{own}' LIMIT 3 ON CONFLICT DO NOTHING"
    )


DAMAGE = {
    "UPDATE holds SET state = 'voided' WHERE source = :hold": "payments_on_the_way_are_held",
    "UPDATE holds SET amount = amount + 1 WHERE source = :hold": "payments_on_the_way_are_held",
    "DELETE FROM payment_attempts WHERE id = :attempt": "open_holds_are_live_attempts",
    "UPDATE ledger_accounts SET held = held + 1": "held_is_sum_of_open_holds",
    "UPDATE payments SET status = 'success', paid_at = now() WHERE id = :payment": (
        "successes_are_posted"
    ),
}
"""What only a superuser could do, and which check of the books tells."""


def test_the_judge_of_all_these_tests_sees_damage(system: System) -> None:
    system.kill("relay")
    paid = system.payment("10.00")
    system.release(paid)
    attempt = system.attempt(paid).id
    values = {"payment": paid.id, "attempt": attempt, "hold": f"attempt:{attempt}"}
    with role(system, system.database.superuser_url) as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for damage, finding in DAMAGE.items():
            with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
                assert check_books(session) == []
                named = {name: values[name] for name in values if f":{name}" in damage}
                session.execute(text(damage), named)
                assert finding in {each.check for each in check_books(session)}, damage
                session.rollback()
