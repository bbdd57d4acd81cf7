"""`db`: the schema's migrations, run as the owner role."""

import click

from pettycash import config
from pettycash.cli import adopt_running_stack
from pettycash.stack import schema


def _owner_url() -> str:
    adopt_running_stack()
    try:
        url = config.read().database_owner_url
    except config.InvalidConfiguration as error:
        raise click.ClickException(f"the configuration is not usable: {error}") from error
    if not url:
        raise click.ClickException(
            "DATABASE_OWNER_URL is not set and no stack is running here; start it: bin/pettycash up"
        )
    return url


@click.group()
def db() -> None:
    """Migrate the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema up to REVISION (default: the newest)."""
    schema.upgrade(_owner_url(), revision)


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask; what the later tables hold is lost.")
def downgrade(revision: str, yes: bool) -> None:
    """Take the schema back to REVISION."""
    if not yes:
        click.confirm(f"Drop everything that came after {revision}?", abort=True)
    schema.downgrade(_owner_url(), revision)


@db.command()
def current() -> None:
    """Print the revision that the database is at."""
    click.echo(schema.current(_owner_url()) or "(empty)")
