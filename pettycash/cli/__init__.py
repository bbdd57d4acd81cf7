"""The command line. One row of COMMANDS per command; its module is loaded when it is called.

Loading late keeps `status` quick: it answers without SQLAlchemy, Celery or the models.

A command that needs the database stands under `@composed` (pettycash/cli/composed.py), which
composes the process from the environment, or, beside a running development stack, from what that
stack gave its own processes.
"""

import importlib
import os
import sys
from typing import Any

import click
from flask.cli import FlaskGroup

from pettycash.errors import PettycashError
from pettycash.stack.state import StackError, StateFolder, folder_from

COMMANDS = {
    "up": "pettycash.cli.stack:up",
    "test": "pettycash.cli.checks:test",
    "status": "pettycash.cli.stack:status",
    "secrets": "pettycash.cli.stack:show_secrets",
    "logs": "pettycash.cli.stack:logs",
    "mailbox": "pettycash.cli.stack:mailbox",
    "reset": "pettycash.cli.stack:reset",
    "doctor": "pettycash.cli.doctor:doctor",
    "db": "pettycash.cli.schema:db",
    "backup": "pettycash.cli.backups:backup",
    "restore": "pettycash.cli.backups:restore",
    "restore-drill": "pettycash.cli.backups:restore_drill",
    "seed": "pettycash.cli.seed:seed",
    "company": "pettycash.cli.company:company",
    "users": "pettycash.cli.users:users",
    "import": "pettycash.cli.imports:imports_group",
    "security": "pettycash.cli.security:security",
    "cases": "pettycash.cli.cases:cases",
    "pause": "pettycash.cli.pauses:pause",
    "resume": "pettycash.cli.pauses:resume",
    "relay": "pettycash.cli.relay:relay",
    "payments": "pettycash.cli.payments:payments",
    "outbox": "pettycash.cli.outbox:outbox",
    "rotate": "pettycash.cli.rotation:rotate",
    "reconcile": "pettycash.cli.reconcile:reconcile",
    "audit": "pettycash.cli.audit:audit",
    "seeded-bugs": "pettycash.cli.seeded_bugs:seeded_bugs",
    "demo": "pettycash.cli.demo:demo",
    "crash-points": "pettycash.cli.crash_points:crash_points",
    "bench": "pettycash.cli.bench:bench",
    "chaos": "pettycash.cli.chaos:chaos",
    "insider": "pettycash.cli.model:insider",
    "model": "pettycash.cli.model:model",
}
"""Command → "module:name of the click command"."""


class CommandGroup(FlaskGroup):
    """Flask's group, for the application context that its commands may ask for; ours load late."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Our commands; Flask's own (run, shell, routes) have no place in operations."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load the module that has it."""
        del ctx  # click's signature
        place = COMMANDS.get(name)
        if place is None:
            return None
        module, attribute = place.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def create_app() -> Any:
    """The Flask application, for the commands that stand on its context."""
    return importlib.import_module("pettycash.app").create_app()


cli = CommandGroup(
    name="pettycash",
    create_app=create_app,
    add_default_commands=False,
    add_version_option=False,
    load_dotenv=False,
    set_debug_flag=False,
    help="Petty cash, from a requisition to a reconciled payment.",
)
# Flask's own options (--app, --debug, --env-file) have nothing to choose between here.
cli.params.clear()


def state_folder() -> StateFolder:
    """The state folder of this call."""
    return StateFolder(folder_from(os.environ))


def names_servers(folder: StateFolder) -> bool:
    """Whether no stack runs here and the environment names servers, as it does in a container."""
    named = os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE")
    return bool(named) and not folder.is_held()


def adopt_running_stack() -> None:
    """Take over the environment of the stack that runs here; what the caller set wins."""
    folder = state_folder()
    if os.environ.get("PETTYCASH_ENV") == "production" or not folder.is_held():
        return
    run = folder.read_run() or {}
    for name, value in run.get("environment", {}).items():
        os.environ.setdefault(name, str(value))


def main() -> None:
    """Run the command line; what was foreseen ends as one sentence and exit code 1."""
    try:
        cli.main(prog_name="bin/pettycash")
    except (StackError, PettycashError) as error:
        click.secho(f"pettycash: {error}", fg="red", err=True)
        sys.exit(1)
