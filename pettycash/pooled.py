"""What a pooled connection remembers: which statements it has planned, and since when it rests."""

import itertools
import re
import time
from typing import Any

import psycopg2
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

RESTED_SECONDS = 1.0
"""A connection that lay in the pool for longer is asked whether it lives before it is used."""

PREPARED_MAX = 200
"""How many of them one connection keeps; a further text is run as it is."""

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


def ask_who_rested(engine: Engine) -> None:
    """Ask a pooled connection whether it still lives, unless it was used a moment ago.

    Asking each time is a round trip for every unit of work. A connection that broke within that
    moment fails its first statement, as one does that breaks a moment after it was asked; either
    way the whole pool is thrown away and nothing was done.
    """

    @event.listens_for(engine, "checkin")
    def rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _fairy: Any) -> None:
        rests_since = record.info.get("rests_since")
        if rests_since is None or time.monotonic() - rests_since < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg2.Error as error:
            raise InvalidatePoolError from error
