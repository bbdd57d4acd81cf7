"""Migrations, one run at a time whoever starts them."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from pettycash.stack.state import ROOT

MIGRATION_LOCK = 0x6D69_6772_6174_6500
"""The advisory lock of the one run ("migrate" in ASCII)."""


@contextmanager
def _locked(owner_url: str) -> Iterator[tuple[Config, Connection]]:
    """A connection as the owner that no other run shares, and Alembic's configuration on it."""
    settings = Config(str(ROOT / "migrations" / "alembic.ini"))
    settings.set_main_option("script_location", str(ROOT / "migrations"))
    engine = create_engine(owner_url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()
            settings.attributes["connection"] = connection
            yield settings, connection
    finally:
        engine.dispose()


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; a second run at the same time waits and finds it done."""
    with _locked(owner_url) as (settings, _):
        command.upgrade(settings, revision)


def downgrade(owner_url: str, revision: str) -> None:
    """Take the schema back to a revision."""
    with _locked(owner_url) as (settings, _):
        command.downgrade(settings, revision)


def current(owner_url: str) -> str | None:
    """The revision that the database is at; None where nothing was ever migrated."""
    with _locked(owner_url) as (_, connection):
        return MigrationContext.configure(connection).get_current_revision()
