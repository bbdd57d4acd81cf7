"""Database connections that a crash point can cut, as a network would: unannounced, at the socket.

They exist in processes that PETTYCASH_CRASH_AT was set for; others have psycopg2's own.
"""

import os
import socket
import threading
import weakref
from typing import Any

import psycopg2
from psycopg2.extensions import connection

from pettycash.runtime import settings

GONE = "server closed the connection unexpectedly"
"""The message of psycopg2 for a connection that ended without notice."""


class Severable(connection):
    """A connection to PostgreSQL that knows how to end without a word."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._owner = os.getpid()
        with _lock:
            _open.add(self)

    def commit(self) -> None:
        """Commit; where the answer was ordered to be lost, it is, and the commit stands."""
        super().commit()
        if getattr(_thread, "loses", False):
            _thread.loses = False
            self.sever()
            raise psycopg2.OperationalError(GONE)

    def sever(self) -> None:
        """End both directions of the socket. A child leaves the connections of its parent alone."""
        if self.closed or self._owner != os.getpid():
            return
        with socket.socket(fileno=os.dup(self.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)


_open: "weakref.WeakSet[Severable]" = weakref.WeakSet()
_lock = threading.Lock()
_thread = threading.local()


def arguments() -> dict[str, Any]:
    """Arguments to add to `psycopg2.connect` in this process: mostly none."""
    return {"connection_factory": Severable} if settings.current().crash_at else {}


def cut() -> None:
    """Cut every connection of this process; it notices when it next uses one."""
    with _lock:
        mine = list(_open)
    for each in mine:
        each.sever()


def lose_next_answer() -> None:
    """Let the next commit of this thread stand and its answer be lost."""
    _thread.loses = True
