"""Restoring a backup into an empty database, which stays read-only until it is stamped."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from pettycash.runtime import db
from pettycash.services.payments import restores
from pettycash.stack import schema
from pettycash.stack.backups import container, facts, programs
from pettycash.stack.backups.facts import Compared
from pettycash.stack.backups.making import MEGABYTE, Tell, Verified, verify
from pettycash.stack.state import ROOT, StackError

OWNERS_POLICY = re.compile(r" POLICY public (\S+) owner_sees_all ")
"""A line of pg_restore's list: the policy names the owner of the database that was dumped."""

READ_ONLY = "default_transaction_read_only"


class NotEmpty(StackError):
    """There is something in the database already."""


class Different(StackError):
    """What was restored is not what was dumped."""

    def __init__(self, sentence: str, differences: Sequence[Compared]) -> None:
        super().__init__(sentence)
        self.differences = differences


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What has become of a backup."""

    backup: Verified
    compared: Sequence[Compared]
    """Every fact of the backup, and the same of the database before its migrations: equal."""
    revision: str | None
    stamp: restores.Stamp


def restore(path: Path, owner_url: str, *, identity: Path | None, by: str, tell: Tell) -> Restored:
    """Restore into an empty database, which then stands still until two people resume.

    Until the very transaction that stamps it, the database takes no writes from anybody else, so
    that nothing can be paid from one that does not know yet that it was restored.

    Raises:
        NotEmpty: the database holds something.
        Different: what was restored does not add up to what was dumped.
        StackError: it can't be done; the database has to be made anew.
    """
    backup = verify(path, identity, tell=tell)
    _check_known(backup)
    megabytes = backup.dump_bytes // MEGABYTE
    writable = _writable(owner_url)
    with _told(owner_url):
        _prepare(writable)
    tables = [match[1] for match in map(OWNERS_POLICY.search, backup.entries) if match]
    pg_restore = programs.find(
        "pg_restore", major=backup.manifest["dumped_by"], needs_tls=_has_tls(owner_url)
    )
    with (
        container.opened(path, identity) as reading,
        tempfile.NamedTemporaryFile(mode="w", encoding="utf-8") as chosen,
    ):
        chosen.write("\n".join(line for line in backup.entries if not OWNERS_POLICY.search(line)))
        chosen.flush()

        def feed(stdin: IO[bytes]) -> None:
            for piece in reading.pieces():
                stdin.write(piece)
                tell(f"restored {reading.dump_bytes // MEGABYTE} MB of {megabytes}")

        pg_restore.run(
            "--single-transaction",
            "--no-owner",
            "--no-tablespaces",
            "--no-password",
            f"--use-list={chosen.name}",
            url=writable,
            feed=feed,
        )
    with _told(owner_url):
        tell("adding up")
        compared = _compare(writable, tables, backup)
        tell("migrating")
        schema.upgrade(writable)
        tell("stamping")
        with schema.as_owner(writable) as session:
            # The clock that the backup was made by may be ahead of this one.
            now = max(session.info["now"], backup.taken_at)
            stamp = restores.stamp(session, taken_at=backup.taken_at, by=by, now=now)
            connection = session.connection()
            connection.execute(text(f"ALTER DATABASE {_database(connection)} RESET {READ_ONLY}"))
        _analyze(writable)
    return Restored(
        backup=backup, compared=compared, revision=schema.current(owner_url), stamp=stamp
    )


def _check_known(backup: Verified) -> None:
    try:
        ScriptDirectory(str(ROOT / "migrations")).get_revision(backup.manifest["revision"])
    except CommandError as error:
        raise StackError(
            f"{backup.path} is of schema {backup.manifest['revision']}, which this pettycash does"
            " not know; restore it with a newer one"
        ) from error


def _writable(owner_url: str) -> str:
    """The same, for connections that may write although the database is read-only."""
    url = make_url(owner_url)
    given = url.query.get("options", "")
    options = f"{given if isinstance(given, str) else ' '.join(given)} -c {READ_ONLY}=off".strip()
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


@contextmanager
def _told(owner_url: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        login = make_url(owner_url).username
        raise StackError(f"the database refused {login}: {reason}") from error


def _prepare(writable: str) -> None:
    """See that the database is empty, close it to writes and to strangers, and see to the roles.

    Raises:
        NotEmpty: it is not.
        StackError: the login does not own it, or a role is missing that it may not make.
    """
    with _connected(writable) as connection:
        there = connection.execute(
            text(
                "SELECT c.oid::regclass::text FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LIMIT 1"
            )
        ).scalar_one_or_none()
        if there is not None:
            raise NotEmpty(
                f"the database {_database(connection)} is not empty ({there} is in it);"
                " a backup is restored into one that was just made"
            )
        owns = connection.execute(
            text(
                "SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database"
                " WHERE datname = current_database()"
            )
        ).scalar_one()
        if not owns:
            raise StackError(
                f"the login {make_url(writable).username} must own the database"
                f" {_database(connection)}; make it with: createdb --owner"
            )
        connection.execute(text(f"ALTER DATABASE {_database(connection)} SET {READ_ONLY} = on"))
        # Who may connect is no part of a dump, and a new database lets everybody.
        connection.execute(text(f"REVOKE ALL ON DATABASE {_database(connection)} FROM PUBLIC"))
        for role in (db.APP_ROLE, db.SYSTEM_ROLE):
            _make_role(connection, role)


def _make_role(connection: Connection, role: str) -> None:
    known = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    if connection.execute(known, {"role": role}).first() is None:
        try:
            with connection.begin_nested():
                connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS"))
        except DBAPIError as error:
            raise StackError(
                f"the role {role} is missing and this login may not make it; have an administrator"
                f" of the server run: CREATE ROLE {role} NOLOGIN"
            ) from error
    connection.execute(text(f"GRANT CONNECT ON DATABASE {_database(connection)} TO {role}"))


def _compare(writable: str, tables: Sequence[str], backup: Verified) -> list[Compared]:
    """Let this owner see all rows, and count them.

    Raises:
        Different: something does not add up to what the backup says.
    """
    with _connected(writable) as connection:
        for table in tables:
            connection.execute(
                text(
                    f"CREATE POLICY owner_sees_all ON public.{table} TO CURRENT_USER"
                    " USING (true) WITH CHECK (true)"
                )
            )
        compared = list(facts.compare(backup.facts, facts.read(connection)))
    differences = [each for each in compared if not each.is_equal]
    if differences:
        first = differences[0]
        raise Different(
            f"this is not what was dumped; figures that differ: {len(differences)}, such as"
            f" {first.section}, {first.what}: {first.old} in the backup, {first.new} here; the"
            " database stays read-only, drop it",
            compared,
        )
    return compared


def _analyze(writable: str) -> None:
    """A dump brings no statistics, and plans without them are slow for hours."""
    engine = create_engine(writable, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))
    finally:
        engine.dispose()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _has_tls(url: str) -> bool:
    with _connected(url) as connection:
        raw: Any = connection.connection.driver_connection
        return bool(raw.info.ssl_in_use)


def _database(connection: Connection) -> str:
    name = connection.execute(text("SELECT current_database()")).scalar_one()
    return connection.dialect.identifier_preparer.quote_identifier(name)
