"""`model`: a model that plays against the system, on throw-away servers (docs/reliability.md)."""

import subprocess
import sys

import click

from pettycash.cli.checks import environment
from pettycash.stack.state import ROOT


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def model(options: tuple[str, ...]) -> None:
    """Play against the real services with a hostile rail: --examples 300 --steps 60 [--seed N].

    --help names all options. The exit code is 0 only if nothing was found.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.model", *options],
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    sys.exit(done.returncode)
