"""Migrations, one run at a time whoever starts them."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.runtime import db, pool
from pettycash.runtime.db import APP_ROLE, SYSTEM_ROLE
from pettycash.stack.state import ROOT, StackError

MIGRATION_LOCK = 0x6D69_6772_6174_6500
"""The advisory lock of the one run ("migrate" in ASCII)."""

PATIENCE_SECONDS = 60.0
"""For how long a migration tries again where others keep a table locked."""

_MAY_BECOME = text(
    """SELECT pg_has_role(:login, :role,
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
    """
)


@contextmanager
def _locked(owner_url: str) -> Iterator[tuple[Config, Connection]]:
    """A connection as the owner that no other run shares, and Alembic's configuration on it."""
    settings = Config(str(ROOT / "migrations" / "alembic.ini"))
    settings.set_main_option("script_location", str(ROOT / "migrations"))
    engine = create_engine(owner_url)
    pool.introduce(engine)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()
            settings.attributes["connection"] = connection
            settings.attributes["patience_seconds"] = PATIENCE_SECONDS
            yield settings, connection
    finally:
        engine.dispose()


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; a second run at the same time waits and finds it done.

    Raises:
        CommandError: it is of another version of the program, or the revision is unknown.
    """
    with _locked(owner_url) as (settings, connection):
        at = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        try:
            ScriptDirectory.from_config(settings).get_revision(at or "base")
        except CommandError as error:
            raise CommandError(
                f"the database is of schema {at}, which this pettycash does not know. Nothing was"
                " changed. Use the pettycash that made it, or an empty database."
            ) from error
        command.upgrade(settings, revision)


def admit(owner_url: str, *, app_url: str, system_url: str) -> None:
    """Let the logins of somebody's own server act as our roles, whatever their names are.

    Without a system URL, or where it is the owner's, the owner does that work: as the system role
    where it may become it, else as itself.

    Raises:
        StackError: the owner may not grant the application's login its role.
    """
    _grant(owner_url, APP_ROLE, app_url)
    if system_url and make_url(system_url).username != make_url(owner_url).username:
        _grant(owner_url, SYSTEM_ROLE, system_url)
        return
    with contextlib.suppress(StackError):
        _grant(owner_url, SYSTEM_ROLE, owner_url)


def _grant(owner_url: str, role: str, url: str) -> None:
    """Grant a role to the login of a URL that neither is nor may already become it."""
    login = make_url(url).username if url else None
    if not login or login == role:
        return
    engine = create_engine(owner_url)
    try:
        with engine.begin() as connection:
            if connection.execute(_MAY_BECOME, {"login": login, "role": role}).scalar_one():
                return
            quote = connection.dialect.identifier_preparer.quote_identifier
            connection.execute(text(f"GRANT {quote(role)} TO {quote(login)}"))
    except DBAPIError as error:
        raise StackError(
            f"the owner role may not grant {role} to {login}; have an administrator of the server"
            f' run: GRANT {role} TO "{login}"'
        ) from error
    finally:
        engine.dispose()


def downgrade(owner_url: str, revision: str) -> None:
    """Take the schema back to a revision."""
    with _locked(owner_url) as (settings, _):
        command.downgrade(settings, revision)


@contextmanager
def as_owner(owner_url: str) -> Iterator[Session]:
    """A unit of work as the owner, who sees every company; commits on a clean exit."""
    engine = create_engine(owner_url)
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            db.begin_scope(session)
            yield session
    finally:
        engine.dispose()


def current(url: str) -> str | None:
    """The revision that the database is at; None where nothing was ever migrated."""
    with _locked(url) as (_, connection):
        return MigrationContext.configure(connection).get_current_revision()
