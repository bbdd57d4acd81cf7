"""The name of the person who runs a command on the host, for the security log."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pettycash.runtime import db


def login_name() -> str:
    """The operating system's name of the person, through sudo if they came that way."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


@contextmanager
def at_host() -> Iterator[None]:
    """Let every security event that is recorded inside name the person."""
    with db.scope(request_id=f"cli:{login_name()}", source="cli"):
        yield
