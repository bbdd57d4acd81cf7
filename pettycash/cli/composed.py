"""What a command that works on the database stands under."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from pettycash import composition, config
from pettycash.cli import adopt_running_stack

P = ParamSpec("P")
R = TypeVar("R")


def composed(function: Callable[P, R]) -> Callable[P, R]:
    """Compose the process (settings, engines, adapters) before the command runs."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        adopt_running_stack()
        try:
            settings = config.read()
        except config.InvalidConfiguration as error:
            raise click.ClickException(f"the configuration is not usable: {error}") from error
        if not settings.database_url:
            raise click.ClickException(
                "no stack is running here and DATABASE_URL is not set; start it: bin/pettycash up"
            )
        composition.compose(settings)
        # Under a supervisor machines read the log; before a person it must not get in between.
        composition.log_as_json(logging.WARNING if sys.stderr.isatty() else logging.INFO)
        return function(*args, **kwargs)

    return wrapper
