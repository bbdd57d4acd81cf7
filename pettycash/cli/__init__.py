"""The command line. One row of COMMANDS per command; its module is loaded when it is called.

Loading late keeps `status` quick: it answers without SQLAlchemy, Celery or the models.

A command that needs the database stands under `@composed` (pettycash/cli/composed.py), which
composes the process from the environment, or, beside a running development stack, from what that
stack gave its own processes.
"""

import importlib
import importlib.util
import os
import sys
from typing import Any

import click
from flask.cli import FlaskGroup

from pettycash.runtime.errors import PettycashError
from pettycash.stack.state import StackError, StateFolder, folder_from

COMMANDS = {
    "up": "pettycash.cli.stack:up",
    "test": "pettycash.cli.lab.checks:test",
    "status": "pettycash.cli.stack:status",
    "secrets": "pettycash.cli.stack:show_secrets",
    "logs": "pettycash.cli.stack:logs",
    "mailbox": "pettycash.cli.lab.mailbox:mailbox",
    "reset": "pettycash.cli.stack:reset",
    "doctor": "pettycash.cli.doctor:doctor",
    "db": "pettycash.cli.schema:db",
    "backup": "pettycash.cli.backups:backup",
    "restore": "pettycash.cli.backups:restore",
    "restore-drill": "pettycash.cli.backups:restore_drill",
    "seed": "pettycash.cli.lab.seed:seed",
    "company": "pettycash.cli.access.company:company",
    "users": "pettycash.cli.access.users:users",
    "import": "pettycash.cli.imports:imports_group",
    "security": "pettycash.cli.access.security:security",
    "cases": "pettycash.cli.operations.cases:cases",
    "pause": "pettycash.cli.operations.pauses:pause",
    "resume": "pettycash.cli.operations.pauses:resume",
    "relay": "pettycash.cli.relay:relay",
    "payments": "pettycash.cli.payments:payments",
    "outbox": "pettycash.cli.operations.outbox:outbox",
    "rotate": "pettycash.cli.access.rotation:rotate",
    "reconcile": "pettycash.cli.reconciliation.reconcile:reconcile",
    "audit": "pettycash.cli.reconciliation.audit:audit",
    "seeded-bugs": "pettycash.cli.lab.seeded_bugs:seeded_bugs",
    "demo": "pettycash.cli.lab.demo:demo",
    "crash-points": "pettycash.cli.lab.crash_points:crash_points",
    "bench": "pettycash.cli.lab.bench:bench",
    "chaos": "pettycash.cli.lab.chaos:chaos",
    "insider": "pettycash.cli.lab.model:insider",
    "model": "pettycash.cli.lab.model:model",
}
"""Command → "module:name of the click command"."""

LAB = "pettycash.cli.lab"
"""Commands of whoever develops; an image leaves them out, and what they need."""


def installed() -> dict[str, str]:
    """The commands that there are here."""
    has_lab = importlib.util.find_spec(LAB) is not None
    return {name: at for name, at in COMMANDS.items() if has_lab or not at.startswith(f"{LAB}.")}


class CommandGroup(FlaskGroup):
    """Flask's group, for the application context that its commands may ask for; ours load late."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Our commands; Flask's own (run, shell, routes) have no place in operations."""
        return sorted(installed())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load the module that has it."""
        del ctx  # click's signature
        place = installed().get(name)
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
