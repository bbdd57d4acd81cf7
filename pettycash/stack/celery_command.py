"""`python -m pettycash.stack.celery_command worker|beat|flower …`: Celery's own commands, alone.

The same commands with the same options as under `celery -A celery_worker`. Each loads no more than
it needs: neither the rest of Celery's command line, whose shell alone weighs 9 MB, nor the tasks
where they are only named.
"""

import importlib
from collections.abc import Callable
from typing import Any

import click
from celery import Celery
from celery.bin.base import CLIContext

from pettycash.runtime import config, log_lines
from pettycash.runtime.settings import Settings

COMMANDS = {
    "worker": ("celery.bin.worker:worker", "pettycash.worker_app:create_worker"),
    "beat": ("celery.bin.beat:beat", "pettycash.beat_app:create_beat"),
    "flower": ("flower.command:flower", "pettycash.celery_app:create_celery"),
}
"""Command → "module:name" of the click command and of what makes its application."""


class CeleryCommands(click.Group):
    """Loads the command that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Those that the stack runs."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load the command and make its application, which it looks for in `ctx.obj`."""
        if name not in COMMANDS:
            return None
        command, create = load(name)
        log_lines.write_json()  # of Flower; worker and beat write theirs with its context
        ctx.obj = CLIContext(app=create(config.read()), no_color=True, workdir=None, quiet=True)
        return command


def load(name: str) -> tuple[click.Command, Callable[[Settings], Celery]]:
    """A command, and what makes its application."""
    command, create = (_named(place) for place in COMMANDS[name])
    return command, create


def _named(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)


celery = CeleryCommands(name="celery", no_args_is_help=True)

if __name__ == "__main__":
    celery(auto_envvar_prefix="CELERY")
