"""A database that is given back as it was, again and again.

A copy of the template costs ten times as much as putting back the rows that a test has changed,
and every connection to it starts cold. So rows are put back, and a new copy is made only where more
than rows was changed, or after so many tests that dead rows lie about.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg2

from tests.servers import Database, Servers, let_go

USES_MAX = 100
"""Of one copy; nothing else cleans up behind deleted rows, as autovacuum is off."""

TABLES = """
    SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.relname
"""
SEQUENCES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
"""
CATALOGUE = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
"""
SETTINGS = """
    SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database()
"""
LATEST = "SELECT pg_current_xact_id()::text::bigint"

STRANGERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity a
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (state <> 'idle' OR application_name <> 'pettycash'
            OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid))
"""
"""Whoever is at work or holds something. A connection that rests in a pool keeps what it knows."""


@dataclass
class _Table:
    name: str
    columns: str
    rows: bytes = b""
    count: int = 0


class Restored:
    """One copy of the template at a time, under one name."""

    def __init__(self, servers: Servers, name: str, *, redis_database: int) -> None:
        self._servers = servers
        self._database = servers.database(name, redis_database)
        self._connection: Any = None
        self._uses = 0

    def fresh(self) -> Database:
        """The database as the template has it."""
        self._uses += 1
        if self._connection is None or self._uses > USES_MAX or not self._is_restored():
            self._copy()
        return self._database

    def close(self) -> None:
        """Leave nothing behind."""
        if self._connection is not None:
            self._connection.close()
        self._servers.drop(self._database.name)

    def _copy(self) -> None:
        """Make a new copy and remember what is in it."""
        self.close()
        self._servers.clone(self._database.name)
        self._uses = 1
        self._connection = self._servers.postgres.connect(database=self._database.name)
        with self._connection.cursor() as cursor:
            self._tables = {name: _Table(name, columns) for name, columns in _all(cursor, TABLES)}
            for table in self._tables.values():
                rows = io.BytesIO()
                query = f"COPY (SELECT {table.columns} FROM {table.name}) TO STDOUT"
                cursor.copy_expert(query, rows)
                table.rows = rows.getvalue()
                table.count = table.rows.count(b"\n")
            self._catalogue = [name for (name,) in _all(cursor, CATALOGUE)]
            self._sequences = " UNION ALL ".join(
                f"SELECT '{name}', last_value, is_called FROM {name}"
                for (name,) in _all(cursor, SEQUENCES)
            )
            self._numbers = _all(cursor, self._sequences)
            self._rules = self._rule_book(cursor)
            self._latest = _all(cursor, LATEST)[0][0]

    def _is_restored(self) -> bool:
        """Put the rows back; False where that is not enough, or the database has gone."""
        try:
            return self._put_back()
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            return False

    def _put_back(self) -> bool:
        with self._connection.cursor() as cursor:
            if _all(cursor, STRANGERS):
                let_go(self._database.name)  # one of them may be of our own pool
            if self._rule_book(cursor) != self._rules:
                return False
            found = _all(cursor, _state(self._tables))
            changed = [
                table
                for name, count, newest in found
                if count != (table := self._tables[name]).count or newest > self._latest
            ]
            cursor.execute("BEGIN; SET LOCAL session_replication_role = replica")
            for table in changed:
                cursor.execute(f"DELETE FROM {table.name}")
            for table in changed:
                if table.count:
                    query = f"COPY {table.name} ({table.columns}) FROM STDIN"
                    cursor.copy_expert(query, io.BytesIO(table.rows))
            for name, number, is_called in self._numbers:
                cursor.execute("SELECT setval(%s, %s, %s)", (name, number, is_called))
            self._latest = _all(cursor, LATEST)[0][0]
            cursor.execute("COMMIT")
        return True

    def _rule_book(self, cursor: Any) -> list[tuple[Any, ...]]:
        """Rows that change with every table, function, trigger, policy or privilege."""
        return _all(cursor, SETTINGS) + sorted(_all(cursor, _state(self._catalogue)))


def _state(tables: Iterable[str]) -> str:
    """How many rows each has, and the number of the last transaction that wrote one of them."""
    return " UNION ALL ".join(
        f"SELECT '{each}', count(*), coalesce(max(xmin::text::bigint), 0) FROM {each}"
        for each in tables
    )


def _all(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
