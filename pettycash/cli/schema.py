"""`db`: the schema's migrations, run as the owner role."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from pettycash.cli import adopt_running_stack
from pettycash.runtime import config
from pettycash.runtime.settings import Settings
from pettycash.stack import schema, schema_text


def _settings() -> Settings:
    adopt_running_stack()
    try:
        return config.read()
    except config.InvalidConfiguration as error:
        raise click.ClickException(f"the configuration is not usable: {error}") from error


def owner_settings() -> Settings:
    settings = _settings()
    if not settings.database_owner_url:
        raise click.ClickException(
            "DATABASE_OWNER_URL is not set and no stack is running here; start it: bin/pettycash up"
        )
    return settings


@contextmanager
def told(url: str) -> Iterator[None]:
    """Say in one sentence why the server, or Alembic, refused."""
    try:
        yield
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        login = make_url(url).username
        raise click.ClickException(f"the database refused the role {login}: {reason}") from error


@click.group()
def db() -> None:
    """Migrate the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema up to REVISION (default: the newest)."""
    settings = owner_settings()
    owner = settings.database_owner_url
    with told(owner):
        schema.upgrade(owner, revision)
        if schema.current(owner) is not None:
            schema.admit(
                owner, app_url=settings.database_url, system_url=settings.database_system_url
            )


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask; what the later tables hold is lost.")
def downgrade(revision: str, yes: bool) -> None:
    """Take the schema back to REVISION."""
    if not yes:
        click.confirm(f"Drop everything that came after {revision}?", abort=True)
    owner = owner_settings().database_owner_url
    with told(owner):
        schema.downgrade(owner, revision)


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def current(as_json: bool) -> None:
    """Print the revision that the database is at; any of our roles may ask."""
    settings = _settings()
    url = settings.database_owner_url or settings.database_system_url or settings.database_url
    if not url:
        raise click.ClickException(
            "DATABASE_URL is not set and no stack is running here; start it: bin/pettycash up"
        )
    with told(url):
        revision = schema.current(url)
    click.echo(json.dumps({"revision": revision}) if as_json else revision or "(empty)")


@db.command("schema")
def print_schema() -> None:
    """Print the schema of the database; docs/schema.sql is a copy of it."""
    owner = owner_settings().database_owner_url
    with told(owner):
        click.echo(schema_text.of(owner), nl=False)
