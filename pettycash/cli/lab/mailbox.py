"""`mailbox`: what was sent to anybody in development."""

import json

import click

from pettycash.cli import state_folder
from pettycash.lab.mailbox.store import Mailbox


@click.command()
@click.option("--to", default="", help="Only what was sent to this address.")
@click.option("-n", "--limit", default=20, show_default=True, help="How many of the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def mailbox(to: str, limit: int, as_json: bool) -> None:
    """Print the newest messages of the development mailbox, one-time codes included."""
    messages = Mailbox(state_folder().mailbox).messages(to, limit)
    if as_json:
        click.echo(json.dumps([message.as_dict() for message in messages], indent=2))
        return
    for message in messages:
        click.echo(f"{message.received_at}  to {', '.join(message.to)}: {message.subject}")
        click.echo("".join(f"    {line}\n" for line in message.text.splitlines()))
