"""`relay`: the relay as a command, on the stack that runs here or on the caller's own servers."""

import click

from pettycash.cli.composed import usable_settings
from pettycash.relay import serve


@click.command()
def relay() -> None:
    """Hand due messages to the workers, until stopped."""
    serve(usable_settings())
