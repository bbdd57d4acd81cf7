"""gunicorn's threaded worker, whose threads never wait for whoever is at the other end.

The main loop receives each request whole before a thread is given it, and sends on what a thread
could not send at once. So slow senders and slow readers cost a socket and some memory, and neither
a thread nor a transaction (docs/adr/0012-whole-requests.md).
"""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from pettycash.runtime import errors
from pettycash.stack.arrival import Arrival

HEAD_SECONDS = 10.0
"""From a request's first byte to the end of its head."""

BODY_SECONDS = 120.0
"""From there to the last byte of its body; and as long for an answer to be taken."""

LINGER_SECONDS = 2.0
"""How long what a refused sender still sends is thrown away, so that the answer reaches them."""

EXPIRY_SECONDS = 0.5
"""How often deadlines are looked at."""

HELD_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of requests and answers on their way in a process. Beyond it the oldest is dropped."""

RECEIVE_BYTES = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Outlet:
    """Stands for the socket in the thread that answers: it takes everything and never waits."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._unsent = bytearray()

    @property
    def kept_bytes(self) -> int:
        """How much of the answer the network has not taken yet."""
        return len(self._unsent)

    def sendall(self, data: bytes) -> None:
        """Send what the network takes now, and keep the rest."""
        sent = 0 if self._unsent else self._send(data)
        self._unsent += data[sent:]

    def send(self, data: bytes) -> int:
        """As `sendall`."""
        self.sendall(data)
        return len(data)

    def flush(self) -> bool:
        """Send more of what was kept; whether nothing is left."""
        while self._unsent:
            sent = self._send(self._unsent)
            if not sent:
                return False
            del self._unsent[:sent]
        return True

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._wire.send(data)
        except BlockingIOError:
            return 0

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def gettimeout(self) -> float:
        """It never blocks."""
        return 0.0

    def shutdown(self, _how: int) -> None:
        """The main loop closes the connection, once all was sent."""
        raise OSError(errno.ENOTSUP, "the main loop closes it")

    def close(self) -> None:
        """The main loop closes it."""


class WholeRequest(RequestParser):  # type: ignore[misc] # gunicorn is untyped
    """gunicorn's parser over a request that has arrived."""

    def __init__(self, cfg: Any, arrival: Arrival, client: Any) -> None:
        super().__init__(cfg, arrival.stream(), client)
        self._arrival = arrival

    def __next__(self) -> Any:
        request = super().__next__()
        request._expected_100_continue = False  # it was told, before its body came
        if self._arrival.must_close:
            request.force_close()
        return request

    next = __next__

    def has_more(self) -> bool:
        """Whether the parser saw an earlier end than we did: then nobody may go on from ours."""
        return bool(self.unreader.read())


class Connection(TConn):  # type: ignore[misc] # gunicorn is untyped
    """One client's connection; what it waits for on the main loop has a deadline."""

    def __init__(self, cfg: Any, wire: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, wire, client, server)
        self.wire = wire
        self.initialized = True  # no TLS, no HTTP/2: those end at the proxy in front
        self.arrival = Arrival()
        self.is_arriving = False
        self.held_bytes = 0
        self.keep = False
        self.deadline = 0.0

    def begin(self) -> None:
        """Make it what gunicorn's `handle` takes: a parser, and a socket that does not block."""
        self.sock = Outlet(self.wire)
        self.parser = WholeRequest(self.cfg, self.arrival, self.client)


class BufferingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn is untyped
    """Receives and sends on the main loop; threads only compute."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watched: dict[Connection, None] = {}  # those on the poller, the longest first
        self._held_bytes = 0
        self._evicted = 0
        self._expiry_at = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse to serve as plain text what somebody wants encrypted."""
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise RuntimeError("TLS ends at the proxy in front of gunicorn, not here")

    # -- a request comes in

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; a full house lets go of whoever has dawdled longest."""
        if self.nr_conns >= self.worker_connections - 1:
            self._evict()
        try:
            wire, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._evict()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        connection = Connection(self.cfg, wire, address, listener.getsockname())
        self._await_request(connection, HEAD_SECONDS)
        self._on_readable(connection, wire)

    def _await_request(self, connection: Connection, seconds: float) -> None:
        connection.arrival = Arrival()
        connection.is_arriving = True
        self._watch(connection, selectors.EVENT_READ, self._on_readable, seconds)

    def _on_readable(self, connection: Connection, wire: socket.socket) -> None:
        try:
            data = wire.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(connection, data)
        else:
            self._drop(connection)

    def _take(self, connection: Connection, data: bytes) -> None:
        arrival = connection.arrival
        was_empty, had_head = not arrival.data, arrival.has_head
        arrival.take(data)
        self._hold(connection, len(arrival.data))
        if arrival.is_whole:
            self._hand_over(connection)
            return
        if arrival.has_head and not had_head:
            connection.deadline = time.monotonic() + BODY_SECONDS
            if arrival.wants_continue:
                self._encourage(connection)
        elif was_empty:
            connection.deadline = time.monotonic() + HEAD_SECONDS
        self._make_room()

    def _encourage(self, connection: Connection) -> None:
        try:
            connection.wire.send(CONTINUE)
        except OSError:
            self._drop(connection)

    def _hand_over(self, connection: Connection) -> None:
        self._unwatch(connection)
        connection.begin()
        self.enqueue_req(connection)

    # -- an answer goes out

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Send what the thread could not, then await the next request or close."""
        try:
            conn.keep = bool(fs.result()) and not conn.parser.has_more()
        except Exception:  # noqa: BLE001 - whatever it was, gunicorn has logged it
            conn.keep = False
        conn.arrival.data = bytearray()
        self._hold(conn, 0)
        if not self._flushed(conn):
            self._watch(conn, selectors.EVENT_WRITE, self._on_writable, BODY_SECONDS)
            self._make_room()

    def _on_writable(self, connection: Connection, _wire: socket.socket) -> None:
        self._flushed(connection)

    def _flushed(self, connection: Connection) -> bool:
        """Whether the connection needs no more sending: all is sent, or nobody is there."""
        try:
            is_sent = connection.sock.flush()
            self._hold(connection, connection.sock.kept_bytes)
            if not is_sent:
                return False
        except OSError:
            self._drop(connection)
            return True
        self._unwatch(connection)
        if not connection.keep:
            self._close_gently(connection)
            return True
        rest = connection.arrival.rest
        self._await_request(connection, self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
        if rest:
            self._take(connection, rest)
        return True

    # -- the end of a connection

    def _close_gently(self, connection: Connection) -> None:
        """Say that nothing more comes, and hear the other side out (RFC 9112 section 9.6)."""
        try:
            connection.wire.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)
            return
        self._watch(connection, selectors.EVENT_READ, self._on_unwanted, LINGER_SECONDS)

    def _on_unwanted(self, connection: Connection, wire: socket.socket) -> None:
        try:
            if wire.recv(RECEIVE_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._unwatch(connection)
        self._hold(connection, 0)
        connection.wire.close()
        self.nr_conns -= 1

    def _hold(self, connection: Connection, count: int) -> None:
        self._held_bytes += count - connection.held_bytes
        connection.held_bytes = count

    def _make_room(self) -> None:
        while self._held_bytes > HELD_BYTES_MAX and self._evict():
            pass

    def _evict(self) -> bool:
        """Drop what has been on its way longest, in or out; whether there was something."""
        for connection in self._watched:
            if connection.is_arriving or connection.held_bytes:
                self._drop(connection)
                self._evicted += 1
                return True
        return False

    def murder_pending(self) -> None:
        """Where gunicorn's loop looks for connections whose time is over."""
        now = time.monotonic()
        if now < self._expiry_at:
            return
        self._expiry_at = now + EXPIRY_SECONDS
        if self._evicted:
            self.log.warning(
                "no room: %d connections were dropped that had been at it longest", self._evicted
            )
            self._evicted = 0
        for connection in [each for each in self._watched if each.deadline <= now]:
            if connection.is_arriving and connection.arrival.has_head:
                connection.arrival.give_up(errors.RequestTimeout())
                self._hand_over(connection)
            else:
                self._drop(connection)

    def _cap_keepalive(self, deadline: float) -> None:
        """On its way out the worker keeps idle connections no longer than gunicorn would."""
        for connection in self._watched:
            if connection.is_arriving and not connection.arrival.data:
                connection.deadline = min(connection.deadline, deadline)

    # -- the poller

    def _watch(
        self,
        connection: Connection,
        event: int,
        callback: Callable[[Connection, socket.socket], None],
        seconds: float,
    ) -> None:
        ready = partial(self._on_ready, connection, callback)
        self.poller.register(connection.wire, event, ready)
        self._watched[connection] = None
        connection.deadline = time.monotonic() + seconds

    def _on_ready(
        self,
        connection: Connection,
        callback: Callable[[Connection, socket.socket], None],
        wire: socket.socket,
    ) -> None:
        # Of several that are ready together, one may have made the loop drop another.
        if connection in self._watched:
            callback(connection, wire)

    def _unwatch(self, connection: Connection) -> None:
        if connection in self._watched:
            del self._watched[connection]
            self.poller.unregister(connection.wire)
        connection.is_arriving = False
