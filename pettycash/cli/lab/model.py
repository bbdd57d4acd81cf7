"""`model` and `insider`: games against the system, on throw-away servers.

What is played lies in `tests/model` (docs/reliability.md) and `tests/insider` (docs/control.md).
"""

import subprocess
import sys

import click

from pettycash.cli.lab.checks import environment
from pettycash.stack.state import ROOT


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def model(options: tuple[str, ...]) -> None:
    """Play against the real services with a hostile rail: --examples 300 --steps 60 [--seed N].

    --help names all options. The exit code is 0 only if nothing was found.
    """
    _play("tests.model", options)


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def insider(options: tuple[str, ...]) -> None:
    """Play every operation as somebody of the house: --games 300 --steps 60 [--seed N] [--json].

    --help names all options. The exit code is 0 only if nothing was found.
    """
    _play("tests.insider", options)


def _play(module: str, options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *options],
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    sys.exit(done.returncode)
