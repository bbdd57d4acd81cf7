"""Ends connections to PostgreSQL that wait for an answer which can't come any more.

The server ends statements that take too long, but a client whose way to it has gone silent, with
somebody between them who still acknowledges every packet (a proxy, a tunnel, a stopped server),
waits for ever: no time-out of libpq and no keepalive sees that. One thread for each process looks
at the connections that are waiting; it closes the socket under the one that waits too long, and the
driver reports a lost connection, as it does for any other.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any

from psycopg2 import InterfaceError
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE
from sqlalchemy import Connection, Engine, event

LOOKS_SECONDS = 4.0

ASKED_AT = "asked_at"
"""In a connection's info: when it was last asked something, by time.monotonic."""

PATIENCE = "patience"
"""In a connection's info: for how many seconds its present transaction is waited for instead."""


@dataclass(frozen=True)
class _Watched:
    connection: "weakref.ref[Any]"
    """The driver's own."""
    info: dict[Any, Any]
    seconds: float


class _Watch:
    """The watched connections of this process, and the thread that looks at them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[_Watched] = []
        self._process: int | None = None

    def add(self, watched: _Watched) -> None:
        """Look at one more; the first of a process starts the thread, which forks don't inherit."""
        with self._lock:
            if self._process != os.getpid():
                self._process = os.getpid()
                self._watched = []
                threading.Thread(target=self._run, name="connection-watchdog", daemon=True).start()
            self._watched.append(watched)

    def _run(self) -> None:
        suspects: dict[int, float] = {}
        while True:
            watched = self._open()
            # Late twice in a row with the same question: between two looks, busy ones ask another.
            late = {id(each): each.info[ASKED_AT] for each in watched if _is_late(each)}
            for each in watched:
                if id(each) in late and suspects.get(id(each)) == late[id(each)]:
                    _cut(each.connection())
            suspects = late
            time.sleep(min((each.seconds for each in watched), default=LOOKS_SECONDS) / 4)

    def _open(self) -> list[_Watched]:
        with self._lock:
            self._watched = [each for each in self._watched if _is_open(each.connection())]
            return list(self._watched)


_watch = _Watch()
# A fork may come while another thread holds the lock: the child begins with a watch of its own.
os.register_at_fork(after_in_child=_watch.__init__)  # type: ignore[misc]


def watch(engine: Engine, *, seconds: float) -> None:
    """End every connection of an engine that waits longer than this for one answer.

    `seconds` must be more than the server's own statement time-out.
    """

    @event.listens_for(engine, "connect")
    def begin(connection: Any, record: Any) -> None:
        record.info[ASKED_AT] = time.monotonic()
        _watch.add(_Watched(weakref.ref(connection), record.info, seconds))

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.info.pop(PATIENCE, None)

    @event.listens_for(engine, "before_cursor_execute")
    def asked(connection: Any, *_statement: Any) -> None:
        connection.info[ASKED_AT] = time.monotonic()

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def ended(connection: Any) -> None:
        if not connection.invalidated:  # of a lost one nothing is asked any more
            connection.info[ASKED_AT] = time.monotonic()


def wait_longer(connection: Connection, *, seconds: float) -> None:
    """Let the statements of its present transaction wait this long for an answer."""
    connection.info[PATIENCE] = seconds


def _is_open(connection: Any) -> bool:
    return connection is not None and not connection.closed


def _is_late(watched: _Watched) -> bool:
    connection = watched.connection()
    if connection is None or connection.closed:
        return False
    is_waiting: bool = connection.get_transaction_status() == TRANSACTION_STATUS_ACTIVE
    patience: float = watched.info.get(PATIENCE, watched.seconds)
    return is_waiting and time.monotonic() - watched.info[ASKED_AT] > patience


def _cut(connection: Any) -> None:
    """Close both directions of its socket; the thread that waits on it wakes and finds out."""
    # It may be closed by its own thread at this very moment.
    with (
        contextlib.suppress(OSError, InterfaceError),
        socket.socket(fileno=os.dup(connection.fileno())) as way,
    ):
        way.shutdown(socket.SHUT_RDWR)
