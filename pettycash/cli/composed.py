"""The frame of a command that works on the database."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from pettycash import composition
from pettycash.cli import adopt_running_stack, state_folder
from pettycash.runtime import config, db, process
from pettycash.runtime.settings import Settings
from pettycash.stack.plan import KEYS

P = ParamSpec("P")
R = TypeVar("R")

NO_SUCH_TABLE, NO_SUCH_SCHEMA = "42P01", "3F000"


def composed(function: Callable[P, R]) -> Callable[P, R]:
    """Compose the process (settings, engines, adapters) before the command runs."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        composition.compose(usable_settings())
        # Under a supervisor machines read the log; before a person it must not get in between.
        process.log_as_json(logging.WARNING if sys.stderr.isatty() else logging.INFO)
        try:
            return function(*args, **kwargs)
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise click.ClickException(f"the database does not answer: {reason}") from error
        except ProgrammingError as error:
            if db.sqlstate(error) not in (NO_SUCH_TABLE, NO_SUCH_SCHEMA):
                raise
            raise click.ClickException(
                "the database has no tables of pettycash yet; make them: bin/pettycash db upgrade"
            ) from error

    return wrapper


def usable_settings() -> Settings:
    """The settings of the running stack or of the caller's own servers.

    Raises:
        click.ClickException: there is neither, or a setting can't be used.
    """
    adopt_running_stack()
    _use_keys_of_state_folder()
    try:
        settings = config.read()
    except config.InvalidConfiguration as error:
        raise click.ClickException(f"the configuration is not usable: {error}") from error
    if not settings.database_url:
        raise click.ClickException(
            "no stack is running here and DATABASE_URL is not set; start it: bin/pettycash up"
        )
    return settings


def _use_keys_of_state_folder() -> None:
    """On somebody's own servers, the keys that `up` uses too; production brings its own."""
    if os.environ.get("PETTYCASH_ENV") == "production" or not os.environ.get("DATABASE_URL"):
        return
    missing = [name for name in KEYS if not os.environ.get(name)]
    if missing:
        folder = state_folder()
        folder.prepare()
        secrets = folder.secrets()
        os.environ.update({name: secrets[KEYS[name]] for name in missing})
