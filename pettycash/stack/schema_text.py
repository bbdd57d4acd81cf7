"""The schema of a database as text that people read, from PostgreSQL's own catalogue.

Tables by name, each with its constraints, indexes, privileges and triggers; functions by signature,
since each of them is a file. Months of partitioned tables, owners and versions are left out.
"""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, create_engine, text

from pettycash.runtime import pool

WIDTH = 100

HEAD = """\
-- The schema as migrations leave it: `python -m tests.schema` writes it, a test compares.
-- Functions are files of migrations/sql; the owner sees and may do everything.
"""

_TABLES = """
    SELECT c.oid, c.relname, pg_get_partkeydef(c.oid), c.relforcerowsecurity
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition AND c.relname <> 'alembic_version' ORDER BY c.relname
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid, true),
        CASE WHEN a.attidentity <> '' THEN 'identity' WHEN a.attgenerated <> '' THEN 'generated'
            ELSE 'default' END
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = :table AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_CONSTRAINTS = """
    SELECT conname, pg_get_constraintdef(oid, true) FROM pg_constraint
    WHERE conrelid = :table AND contype IN ('p', 'u', 'c', 'x', 'f') AND conparentid = 0
    ORDER BY array_position('{p,u,x,c,f}', contype::text), conname
"""
_INDEXES = """
    SELECT pg_get_indexdef(x.indexrelid, 0, true)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = :table
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid
                        AND k.conrelid = x.indrelid)
    ORDER BY i.relname
"""
_POLICIES = """
    SELECT polname, pg_get_expr(polqual, polrelid, true), pg_get_expr(polwithcheck, polrelid, true),
        (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles r
            WHERE r.oid = ANY (polroles))
    FROM pg_policy WHERE polrelid = :table AND polname <> 'owner_sees_all' ORDER BY polname
"""
_GRANTS = """
    SELECT g.grantee::regrole::text, string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type)
    FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.oid = :table AND g.grantee <> c.relowner GROUP BY g.grantee ORDER BY 1
"""
_COLUMN_GRANTS = """
    SELECT g.grantee::regrole::text, g.privilege_type || ' ('
        || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')'
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) g
    WHERE a.attrelid = :table AND g.grantee <> c.relowner
    GROUP BY g.grantee, g.privilege_type ORDER BY 1, 2
"""
_TRIGGERS = """
    SELECT pg_get_triggerdef(oid, true) FROM pg_trigger
    WHERE tgrelid = :table AND NOT tgisinternal ORDER BY tgname
"""
_TYPES = """
    SELECT t.typname, format_type(r.rngsubtype, NULL)
    FROM pg_type t JOIN pg_range r ON r.rngtypid = t.oid
    WHERE t.typnamespace = 'public'::regnamespace ORDER BY t.typname
"""
_FUNCTIONS = """
    SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ') RETURNS '
        || pg_get_function_result(p.oid)
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql') ORDER BY 1
"""

_SHORTER = (
    ("timestamp with time zone", "timestamptz"),
    ("::character varying", ""),
    ("character varying(", "varchar("),
    ("character(", "char("),
    (" public.", " "),
    (" USING btree", ""),
    ("::text", ""),
    ("\n", " "),
)
_LISTED = (
    (re.compile(r" = ANY \(ARRAY\[(.*?)\](?:\[\])?\)"), r" IN (\1)"),
    (re.compile(r" <> ALL \(ARRAY\[(.*?)\](?:\[\])?\)"), r" NOT IN (\1)"),
    (re.compile(r"(\d)::numeric\b"), r"\1"),
    (re.compile(r"( REFERENCES \w+)\("), r"\1 ("),
    (re.compile(r" +"), " "),
)


def of(url: str) -> str:
    """The schema of the database at a URL."""
    engine = create_engine(url)
    pool.introduce(engine)
    try:
        with engine.connect() as connection:
            return render(connection)
    finally:
        engine.dispose()


def render(connection: Connection) -> str:
    """The schema of the database that a connection leads to."""
    parts = [HEAD]
    parts.append(
        "\n".join(
            f"CREATE TYPE {name} AS RANGE (subtype = {kind});"
            for name, kind in _rows(connection, _TYPES)
        )
        + "\n"
    )
    for oid, name, partition, forced in _rows(connection, _TABLES):
        lines = _table(connection, oid, name, partition)
        if forced:
            lines.append(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;")
        lines += _rights(connection, oid, name)
        lines += [
            _statement(trigger, (" ON ", " EXECUTE "))
            for (trigger,) in _rows(connection, _TRIGGERS, oid)
        ]
        parts.append("\n".join(lines) + "\n")
    functions = (
        _wrapped(_plain(each), "-- ", "--     ") for (each,) in _rows(connection, _FUNCTIONS)
    )
    return "\n".join(parts) + "\n" + "\n".join(functions) + "\n"


def _table(connection: Connection, oid: int, name: str, partition: str | None) -> list[str]:
    inside = [
        _wrapped(_column(*column), "    ", "        ")
        for column in _rows(connection, _COLUMNS, oid)
    ] + [
        _rule(f"CONSTRAINT {constraint} {_plain(rule)}")
        for constraint, rule in _rows(connection, _CONSTRAINTS, oid)
    ]
    end = f") PARTITION BY {partition};" if partition else ");"
    indexes = [
        _statement(index.replace(" ONLY ", " "), (" ON ",))
        for (index,) in _rows(connection, _INDEXES, oid)
    ]
    return [f"CREATE TABLE {name} (", ",\n".join(inside), end, *indexes]


def _column(name: str, kind: str, required: bool, value: str | None, how: str) -> str:
    words = [name, _plain(kind)]
    if required:
        words.append("NOT NULL")
    if how == "identity":
        words.append("GENERATED ALWAYS AS IDENTITY")
    elif how == "generated":
        words.append(f"GENERATED ALWAYS AS ({_plain(value or '')}) STORED")
    elif value is not None:
        words.append(f"DEFAULT {_plain(value)}")
    return " ".join(words)


def _rights(connection: Connection, oid: int, name: str) -> Iterator[str]:
    for policy, rows, check, roles in _rows(connection, _POLICIES, oid):
        may = f"CREATE POLICY {policy} ON {name} TO {roles} USING ({rows}) WITH CHECK ({check})"
        yield _statement(may, (" USING ", " WITH CHECK "))
    for query in (_GRANTS, _COLUMN_GRANTS):
        for role, rights in _rows(connection, query, oid):
            yield _statement(f"GRANT {rights} ON {name} TO {role}", (" ON ",))


def _rows(connection: Connection, query: str, table: int | None = None) -> list[Any]:
    return list(connection.execute(text(query), {"table": table} if table else {}))


def _plain(written: str) -> str:
    for long, short in _SHORTER:
        written = written.replace(long, short)
    for pattern, instead in _LISTED:
        written = pattern.sub(instead, written)
    return written


def _statement(written: str, breaks: tuple[str, ...]) -> str:
    """A statement with its semicolon; where it is too long, a new line before some words."""
    line = _plain(written) + ";"
    if len(line) <= WIDTH:
        return line
    for each in breaks:
        line = line.replace(each, f"\n    {each.strip()} ")
    return "\n".join(_wrapped(part, "", "        ") for part in line.split("\n"))


def _rule(line: str) -> str:
    """A constraint of a table; one that is too long goes on with what its key refers to."""
    key, refers, target = line.partition(" REFERENCES ")
    if not refers or len(line) < WIDTH - 4:
        return _wrapped(line, "    ", "        ")
    return f"{_wrapped(key, '    ', '        ')}\n        REFERENCES {target}"


def _wrapped(line: str, first: str, then: str) -> str:
    return "\n".join(
        textwrap.wrap(
            line,
            WIDTH,
            initial_indent=first,
            subsequent_indent=then,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
