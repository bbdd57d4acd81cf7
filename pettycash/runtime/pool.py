"""The memory of a pooled connection: which statements it has planned, and since when it is idle.

And that it is one's own: a pooler between us and PostgreSQL that lends connections by transaction
gives each of them to many, who then run each other's prepared statements, silently where the
number of parameters fits, and lose settings, role, LISTEN and locks.
"""

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg2
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

from pettycash.runtime import errors

PING_AFTER_SECONDS = 1.0
"""A connection that lay in the pool for longer is pinged before it is used."""

PREPARED_MAX = 200
"""How many of them one connection keeps; a further text is run as it is."""

LOOKS = 3
"""How often a pooler is looked at, since others may borrow and bring back between two looks."""


class BehindPooler(errors.Unavailable):
    """A pooler before PostgreSQL lends connections by transaction; name PostgreSQL itself."""

    code = "database.pooled"


_PARAMETER = re.compile(r"%\((\w+)\)s|%%")


def prepare_once(engine: Engine) -> None:
    """Turn statements with the options PREPARED into PREPARE (the first time) and EXECUTE."""

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def execute_prepared(
        connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any
    ) -> tuple[str, Any]:
        context, many = rest
        if many or context is None or not context.execution_options.get("prepared"):
            return statement, parameters
        known: dict[str, str] = connection.info.setdefault("prepared", {})
        execute = known.get(statement)
        if execute is None:
            if len(known) >= PREPARED_MAX:
                return statement, parameters
            # Never given twice: a PREPARE that was interrupted may have been done all the same.
            numbers = connection.info.setdefault("prepared_numbers", itertools.count())
            name = f"prepared_{next(numbers)}"
            names = list(dict.fromkeys(filter(None, _PARAMETER.findall(statement))))
            body = _PARAMETER.sub(
                lambda found: f"${names.index(found[1]) + 1}" if found[1] else "%", statement
            )
            cursor.execute(f"PREPARE {name} AS {body}")
            given = ", ".join(f"%({each})s" for each in names)
            execute = known[statement] = f"EXECUTE {name} ({given})" if names else f"EXECUTE {name}"
        return execute, parameters


def ping_idle(engine: Engine) -> None:
    """Ping a pooled connection before its use, unless it was used a moment ago.

    Asking each time is a round trip for every unit of work. A connection that broke within that
    moment fails its first statement, as one does that breaks a moment after it was asked; either
    way the whole pool is thrown away and nothing was done.
    """

    @event.listens_for(engine, "checkin")
    def idle(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: Any, _fairy: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg2.Error as error:
            raise InvalidatePoolError from error


def introduce(
    engine: Engine,
    *,
    greeting: str = "SELECT pg_backend_pid()",
    parameters: Sequence[str] = (),
    limits: Mapping[str, str] | None = None,
) -> None:
    """Greet PostgreSQL on each new connection, and refuse one that a pooler lends.

    The greeting answers the backend's pid first. A pooler tells its clients another one, so where
    nobody stands between, this costs nothing. One that pools by session is allowed; it drops
    what a client asks for at connect, so the limits are set again.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        record.info["connect"] = lambda: dialect.connect(*arguments, **options)
        try:
            return dialect.connect(*arguments, **options)
        except psycopg2.OperationalError as error:
            if "unsupported startup parameter" in str(error):  # PgBouncer, unless it is told so
                raise BehindPooler(
                    "A pooler before PostgreSQL refuses our options; name PostgreSQL itself."
                ) from error
            raise

    @event.listens_for(engine, "connect")
    def greet(connection: Any, record: Any) -> None:
        connect_again = record.info.pop("connect")
        commits_itself, connection.autocommit = connection.autocommit, True
        with connection.cursor() as cursor:
            cursor.execute(greeting, parameters)
            if cursor.fetchone()[0] != connection.info.backend_pid:
                with closing(connect_again()) as other:
                    other.autocommit = True
                    if _lends(connection, other):
                        raise BehindPooler
                for name, value in (limits or {}).items():
                    cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        connection.autocommit = commits_itself


def _lends(one: Any, other: Any) -> bool:
    """Whether two clients share a backend, or one is given several: it is lent by transaction."""
    for _ in range(LOOKS):
        first, second, others = _backend(one), _backend(one), _backend(other)
        if first != second or others == second:
            return True
    return False


def _backend(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
