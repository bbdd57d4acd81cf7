"""The ground of the game: a database that every example finds in the same state, and its clock.

Commits are real, so what an example did is taken back row by row afterwards: a clone of the
template for each example costs several times as much, as every connection starts cold.
"""

from dataclasses import replace
from typing import Any

from psycopg2 import sql

from pettycash.runtime import db, settings
from tests import servers as test_servers
from tests.servers import Servers

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relname <> 'alembic_version'
    ORDER BY c.relname
"""

DATED_BY_DEFAULT = """
    SELECT table_name, column_name FROM information_schema.columns c
        JOIN pg_class t ON t.relname = c.table_name AND NOT t.relispartition
    WHERE table_schema = 'public' AND column_default = 'now()'
"""

STORED = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'
"""

CLOCK = """
    CREATE SCHEMA kept;
    CREATE SCHEMA backup;
    GRANT USAGE ON SCHEMA kept TO PUBLIC;
    CREATE TABLE kept.clock AS SELECT interval '0' AS shift;
    CREATE FUNCTION kept.now() RETURNS timestamptz STABLE SECURITY DEFINER LANGUAGE sql
        AS 'SELECT pg_catalog.now() + shift FROM kept.clock';
"""

VACUUM_EVERY = 50
"""Examples; nothing else cleans up behind them, as autovacuum is off on throw-away servers."""


class Ground:
    """A copy of the seeded database, restored before each example."""

    def __init__(self, servers: Servers, name: str, *, redis_database: int = 0) -> None:
        self._servers = servers
        self._name = name
        self.database = servers.clone(name, redis_database=redis_database)
        self._connection = servers.postgres.connect(database=name)
        self._connection.autocommit = True
        self._restored = 0
        self._restoring = ""
        self._columns: dict[str, sql.Composed] = {}
        self._shift_the_clock()
        test_servers.compose_for(self.database)

    def restore(self) -> None:
        """Every row as it was, and the time as it is in the world."""
        with self._connection.cursor() as cursor:
            cursor.execute(self._restoring)
            self._restored += 1
            if self._restored % VACUUM_EVERY == 0:
                cursor.execute("VACUUM (ANALYZE)")
        settings.install(replace(settings.current(), clock_shift_seconds=0.0))

    def back_up(self) -> None:
        """Remember every row as it is now; one backup at a time."""
        self._run("TRUNCATE backup.{0}; INSERT INTO backup.{0} ({1}) SELECT {1} FROM {0}")

    def bring_back(self) -> None:
        """Every row as it was at the backup; the time stays as it is in the world."""
        self._run(
            "DELETE FROM {0};"
            " INSERT INTO {0} ({1}) OVERRIDING SYSTEM VALUE SELECT {1} FROM backup.{0}"
        )

    def wait(self, seconds: float) -> None:
        """Let time pass, for services and for what the database dates by itself."""
        current = settings.current()
        shift = current.clock_shift_seconds + seconds
        with self._connection.cursor() as cursor:
            cursor.execute("UPDATE kept.clock SET shift = make_interval(secs => %s)", (shift,))
        settings.install(replace(current, clock_shift_seconds=shift))

    def read(self, query: str) -> list[tuple[str, ...]]:
        """The rows of every company, as the superuser sees them."""
        with self._connection.cursor() as cursor:
            return self._all(cursor, query)

    def close(self) -> None:
        """Leave nothing behind."""
        self._connection.close()
        db.dispose()
        self._servers.drop(self._name)

    def _shift_the_clock(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(CLOCK)
            for table, column in self._all(cursor, DATED_BY_DEFAULT):
                cursor.execute(
                    sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT kept.now()").format(
                        sql.Identifier(table), sql.Identifier(column)
                    )
                )

    def keep(self) -> None:
        """Every example starts from what there is now."""
        with self._connection.cursor() as cursor:
            statements = [sql.SQL("SET session_replication_role = replica")]
            for (table,) in self._all(cursor, TABLES):
                name = sql.Identifier(table)
                columns = [sql.Identifier(each) for (each,) in self._all(cursor, STORED, table)]
                self._columns[table] = sql.SQL(", ").join(columns)
                cursor.execute(sql.SQL("CREATE TABLE kept.{0} AS TABLE {0}").format(name))
                cursor.execute(
                    sql.SQL("CREATE TABLE backup.{0} AS TABLE {0} WITH NO DATA").format(name)
                )
                statements.append(sql.SQL("DELETE FROM {}").format(name))
                cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(name))
                if cursor.fetchone()[0]:
                    statements.append(
                        sql.SQL(
                            "INSERT INTO {0} ({1}) OVERRIDING SYSTEM VALUE SELECT {1} FROM kept.{0}"
                        ).format(name, self._columns[table])
                    )
            statements.append(sql.SQL("UPDATE kept.clock SET shift = '0'"))
            statements.append(sql.SQL("RESET session_replication_role"))
            self._restoring = sql.SQL(";\n").join(statements).as_string(cursor)

    def _run(self, statements: str) -> None:
        """These about each table, past every trigger, in one transaction."""
        each = [
            sql.SQL(statements).format(sql.Identifier(table), columns)
            for table, columns in self._columns.items()
        ]
        with self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("BEGIN; SET LOCAL session_replication_role = replica; {}; COMMIT").format(
                    sql.SQL("; ").join(each)
                )
            )

    @staticmethod
    def _all(cursor: Any, query: str, *parameters: str) -> list[tuple[str, ...]]:
        cursor.execute(query, parameters or None)
        found: list[tuple[str, ...]] = cursor.fetchall()
        return found
