"""What the services made once is put there again as rows, for the next tests of the same worker.

A payment that waits to be sent takes some 140 statements of five services, and hundreds of tests
begin with one. They all roll back: so the services make it for the first, and the rows that they
wrote are kept. The others get these rows, each instant in them as long ago as it was when they were
made. No rule of the product stands here.

Remembered is only what a test asks for before it has written anything, since what services make
depends on what they find: rows, settings, and the rail, which shapes references.
"""

import json
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import inspect, text
from sqlalchemy.orm import DeclarativeBase, Session

from pettycash.gateways import registry
from pettycash.runtime import db, settings
from pettycash.runtime.rails import Rail
from tests.servers import Database, Servers

P = ParamSpec("P")
Row = TypeVar("Row", bound=DeclarativeBase)

UNTOUCHED = text("SELECT now() WHERE pg_current_xact_id_if_assigned() IS NULL")
BEGINNING = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, now()::text")
WRITTEN = text("SELECT name, total, rows FROM scenes.written(:since)")
PLAY = text("SELECT scenes.play(:script)")

PREPARING = """
CREATE SCHEMA scenes;
GRANT USAGE ON SCHEMA scenes TO PUBLIC;
CREATE FUNCTION scenes.written(since bigint, OUT name text, OUT total bigint, OUT rows jsonb)
    RETURNS SETOF record SECURITY DEFINER SET search_path = public, pg_temp
    LANGUAGE plpgsql AS $$
BEGIN
    FOR name IN
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE format('SELECT count(*), jsonb_agg(to_jsonb(t)) FILTER (
            WHERE t.xmin::text::bigint >= $1) FROM %I t', name) INTO total, rows USING since;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE FUNCTION scenes.play(script text) RETURNS void SECURITY DEFINER
    SET search_path = public, pg_temp SET session_replication_role = replica
    LANGUAGE plpgsql AS $$ BEGIN EXECUTE script; END $$;
"""

COLUMNS = """
SELECT quote_ident(attname), CASE WHEN atttypid = 'timestamptz'::regtype
    THEN format('%%I + (now() - %%L::timestamptz)', attname, %s) ELSE quote_ident(attname) END
FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
KEYS = """
SELECT format('t.%%1$I = s.%%1$I', attname) FROM pg_index JOIN pg_attribute
    ON attrelid = indrelid AND attnum = ANY (indkey)
WHERE indrelid = %s::regclass AND indisprimary
"""
ROWS = "jsonb_populate_recordset(NULL::{name}, {rows}) s"


class Scenes:
    """What was made in one database that every test rolls back."""

    def __init__(self, servers: Servers, database: Database) -> None:
        self._connection = servers.postgres.connect(database=database.name)
        self._asked: Counter[str] = Counter()
        self._known: dict[str, tuple[str, type[Any], Any]] = {}
        with self._connection.cursor() as cursor:
            cursor.execute(PREPARING)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def made(self, session: Session, what: str, make: Callable[[], Row]) -> Row:
        """What `make` makes: by it, or by the rows that it wrote before."""
        session.flush()
        begun = session.execute(UNTOUCHED).scalar_one_or_none()
        if " at 0x" in what or begun is None:
            return make()
        what += f" after {session.info['now'] - begun}"
        self._asked[what] += 1
        if what in self._known:
            script, kind, key = self._known[what]
            session.execute(PLAY, {"script": script})
            session.expire_all()
            return session.get_one(kind, key)
        if self._asked[what] == 1:
            return make()
        since, made_at = session.execute(BEGINNING).one()
        found = make()
        session.flush()
        written = session.execute(WRITTEN, {"since": since}).all()
        script = self._script([tuple(each) for each in written], made_at)
        if script is not None:
            self._known[what] = script, type(found), inspect(found).identity
        return found

    def _script(self, written: list[tuple[str, int, Any]], made_at: str) -> str | None:
        """Statements that write all of it again; None where something was deleted."""
        statements = []
        with self._connection.cursor() as cursor:
            for name, total, rows in written:
                given = cursor.mogrify("%s::jsonb", (json.dumps(rows or []),)).decode()
                source = ROWS.format(name=name, rows=given)
                cursor.execute(KEYS, (name,))
                same = " AND ".join(each for (each,) in cursor.fetchall()) or "false"
                cursor.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE EXISTS"
                    f" (SELECT FROM {source} WHERE {same})) FROM {name} t"
                )
                before, changed = cursor.fetchone()
                if before - changed + len(rows or []) != total:
                    return None
                if changed:
                    statements.append(f"DELETE FROM {name} t USING {source} WHERE {same}")
                if rows:
                    cursor.execute(COLUMNS, (made_at, name))
                    into, values = (", ".join(each) for each in zip(*cursor, strict=True))
                    statements.append(
                        f"INSERT INTO {name} ({into}) OVERRIDING SYSTEM VALUE"
                        f" SELECT {values} FROM {source}"
                    )
        return ";\n".join(statements)


def _told(argument: object) -> object:
    """A row is its key, as nothing has been written yet."""
    if isinstance(argument, DeclarativeBase):
        return type(argument).__name__, inspect(argument).identity
    return argument


def remembered(
    make: Callable[Concatenate[Session, P], Row],
) -> Callable[Concatenate[Session, P], Row]:
    """Let a factory make the same thing once for all tests that begin with it."""

    @wraps(make)
    def made(session: Session, *args: P.args, **facts: P.kwargs) -> Row:
        scenes: Scenes | None = session.info.get("scenes")
        if scenes is None:
            return make(session, *args, **facts)
        rail = registry.for_rail(Rail.MPESA)
        speaks = (type(rail), rail.decide_by, rail.same_id_is_safe, rail.confirms_failure_by_query)
        depends = (*speaks, settings.current(), db.current_scope())
        given = [_told(each) for each in args]
        what = repr((make.__module__, make.__qualname__, given, facts, depends))
        return scenes.made(session, what, lambda: make(session, *args, **facts))

    return made
