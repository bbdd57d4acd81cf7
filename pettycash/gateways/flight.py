"""One call under way: how long it may take, and how far it got.

Whether a request may have reached the rail decides about money. The connection itself keeps
track of it (`RequestStage`), so that the answer does not depend on how a library words its errors.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from threading import Lock, Timer
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on two clocks of this host: whichever has passed it first counts.

    A process, a machine or its whole host may stand still before the first byte. The clock that
    counts sleep sees the first two; after the third only the wall clock has moved on.
    """

    at: float
    by_wall_clock: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment that lies so many seconds ahead."""
        return cls(time.clock_gettime(time.CLOCK_BOOTTIME) + seconds, time.time() + seconds)

    def remaining(self) -> float:
        """Seconds left, negative once it has passed."""
        return min(
            self.at - time.clock_gettime(time.CLOCK_BOOTTIME), self.by_wall_clock - time.time()
        )

    def sooner(self, seconds: float) -> Deadline:
        """This deadline, or the one so many seconds ahead if that comes first."""
        return min(self, Deadline.after(seconds), key=lambda each: each.remaining())


class RequestStage(IntEnum):
    """How far a request got."""

    UNTRACKED = 0  # our connection was never asked: only the kind of error can tell
    CONNECTING = 1  # resolving, connecting or shaking hands; no byte of the request was written
    LEAVING = 2  # the first byte was handed to the kernel, so the rail may have all of it


class Flight:
    """One call under way: its deadline, how far it got, and the means to cut it short."""

    def __init__(self, deadline: Deadline, *, leave_by: Deadline | None = None) -> None:
        self.deadline = deadline
        self._leave_by = leave_by or deadline
        self.stage = RequestStage.UNTRACKED
        self.cut = False
        self._lock = Lock()
        self._twin: socket.socket | None = None
        self._timer = Timer(max(deadline.remaining(), 0.0), self._expire)
        self._timer.daemon = True

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Run the call under the timer.

        Time-outs of single reads do not bound an answer that comes byte by byte, headers
        included; shutting the connection down does, and the reader sees its end.
        """
        self._timer.start()
        token = _flight.set(self)
        try:
            yield
        finally:
            _flight.reset(token)
            self._timer.cancel()
            with self._lock:
                if self._twin is not None:
                    self._twin.close()
                    self._twin = None

    def hold(self, sock: socket.socket) -> None:
        """Keep a second handle on the connection; TLS takes the first one for itself."""
        with self._lock:
            self._twin = sock.dup()
            if self.cut:
                self._shut()

    def leave(self) -> None:
        """Called just before the first byte; refuses where the time is already over."""
        if self.stage is not RequestStage.LEAVING:
            if self.cut or min(self.deadline.remaining(), self._leave_by.remaining()) <= 0:
                raise TimeoutError("the time for this call was over before it was sent")
            self.stage = RequestStage.LEAVING

    def _expire(self) -> None:
        with self._lock:
            self.cut = True
            self._shut()

    def _shut(self) -> None:
        if self._twin is not None:
            with suppress(OSError):  # the other side was faster
                self._twin.shutdown(socket.SHUT_RDWR)


_flight: ContextVar[Flight | None] = ContextVar("pettycash_rail_flight", default=None)


class _Tracked:
    """Tells the flight under way what its connection does."""

    sock: Any
    connect: Callable[[], None]

    def _new_conn(self) -> socket.socket:
        flight = _flight.get()
        if flight is not None:
            flight.stage = RequestStage.CONNECTING
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        if flight is not None:
            flight.hold(sock)
        return sock

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        flight = _flight.get()
        if flight is not None:
            flight.leave()
        super().send(data)  # type: ignore[misc]


class _HttpConnection(_Tracked, HTTPConnection):
    pass


class _HttpsConnection(_Tracked, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class TrackedAdapter(HTTPAdapter):
    """requests' adapter on our connections; it retries nothing."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
