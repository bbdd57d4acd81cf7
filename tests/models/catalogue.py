"""What PostgreSQL says of itself, for tests that look at every table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

APP, SYSTEM, OWNER = "pettycash_app", "pettycash_system", "pettycash_owner"

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
"""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of psycopg2's own, past everything of ours."""
    parts = urlsplit(url)
    opened = psycopg2.connect(parts._replace(scheme="postgresql").geturl())
    opened.autocommit = True
    try:
        yield opened
    finally:
        opened.close()


def rows(connection: Connection, query: object, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall()


def refusal(connection: Connection, statement: object, *parameters: Any) -> str | None:
    """The SQLSTATE that a statement is refused with; None where it is carried out."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement, parameters or None)
        except psycopg2.Error as error:
            return error.pgcode
    return None


def tables(connection: Connection) -> list[str]:
    """Every table, partitioned ones once, alembic's own included."""
    return [name for (name,) in rows(connection, TABLES)]


def columns(connection: Connection, table: str) -> dict[str, str]:
    """Column → type of the columns that an INSERT may name."""
    return dict(
        rows(
            connection,
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s"
            " AND is_generated = 'NEVER' AND is_identity = 'NO' ORDER BY ordinal_position",
            table,
        )
    )


def name(word: str) -> sql.Identifier:
    """A table or column in a statement."""
    return sql.Identifier(word)
