"""A small pooler before PostgreSQL, as PgBouncer pools: by transaction, statement or session.

It lets everybody in, speaks the simple query protocol only, drops what clients ask for at connect
(`options`), and gives them keys for cancelling that it made up.
"""

import contextlib
import os
import secrets
import socket
import struct
import threading
from collections import defaultdict
from typing import Any

import psycopg2
from sqlalchemy import make_url

from pettycash.stack.ports import LOOPBACK

SSL, GSS = 80877103, 80877104
TOLD = ("server_version", "client_encoding", "standard_conforming_strings", "integer_datetimes")


class _Server:
    """A connection to PostgreSQL, signed in to by the driver and then used as a bare socket."""

    def __init__(self, url: str) -> None:
        # The driver's object is kept: it closes the socket when it goes.
        self._driver: Any = psycopg2.connect(url)
        self.parameters = {each: self._driver.info.parameter_status(each) for each in TOLD}
        self.socket = socket.socket(fileno=os.dup(self._driver.fileno()))
        self.socket.setblocking(True)

    def close(self) -> None:
        self.socket.close()
        self._driver.close()


class Pooler:
    """Listens until it is closed. The last server that came back is the first to go out again."""

    def __init__(self, url: str, *, mode: str = "transaction") -> None:
        self._url = make_url(url).set(drivername="postgresql")
        self._mode = mode
        self._idle: dict[tuple[str, str], list[_Server]] = defaultdict(list)
        self._listener = socket.create_server((LOOPBACK, 0))
        self._port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, url: str) -> str:
        """The way through this pooler that stands for a direct one."""
        through = make_url(url).set(host=LOOPBACK, port=self._port)
        return through.render_as_string(hide_password=False)

    def close(self) -> None:
        """Take no more clients, and end what is idle."""
        self._listener.close()
        for server in [each for idle in self._idle.values() for each in idle]:
            server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # A client that goes away ends its thread.
        with client, contextlib.suppress(OSError, EOFError):
            pool = self._greet(client)
            server: _Server | None = None
            try:
                while (message := _message(client))[0] != b"X":
                    server = server or self._take(pool)
                    server.socket.sendall(message[1])
                    answer = b""
                    while answer != b"Z":
                        answer, whole = _message(server.socket)
                        client.sendall(whole)
                    if self._mode == "statement" or (
                        self._mode == "transaction" and whole[-1:] == b"I"
                    ):
                        self._idle[pool].append(server)
                        server = None
            finally:
                if server is not None:
                    server.close()

    def _greet(self, client: socket.socket) -> tuple[str, str]:
        while True:
            (length,) = struct.unpack("!I", _exactly(client, 4))
            body = _exactly(client, length - 4)
            (code,) = struct.unpack("!I", body[:4])
            if code not in (SSL, GSS):
                break
            client.sendall(b"N")
        words = body[4:].split(b"\0")
        told = {
            name.decode(): value.decode()
            for name, value in zip(words[::2], words[1::2], strict=False)
        }
        pool = (told["user"], told["database"])
        server = self._take(pool)
        self._idle[pool].append(server)
        client.sendall(_packed(b"R", struct.pack("!I", 0)))
        for name, value in server.parameters.items():
            client.sendall(_packed(b"S", f"{name}\0{value}\0".encode()))
        client.sendall(_packed(b"K", struct.pack("!II", secrets.randbits(31), 0)))
        client.sendall(_packed(b"Z", b"I"))
        return pool

    def _take(self, pool: tuple[str, str]) -> _Server:
        try:
            return self._idle[pool].pop()
        except IndexError:
            return _Server(self._url.render_as_string(hide_password=False))


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    """The kind of the next message, and the whole of it."""
    head = _exactly(connection, 5)
    return head[:1], head + _exactly(connection, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
