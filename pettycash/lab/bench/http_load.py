"""Sends prepared requests over a few connections, and measures how long it takes.

Sockets and bytes, since a client library would cost more than the server that it asks.
"""

import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pettycash.stack.ports import LOOPBACK

CONNECTIONS = 8
TIMEOUT_SECONDS = 60.0
SHOWN_BYTES = 500
REQUESTS_A_CONNECTION = 20
"""After so many a connection is opened anew: which of the server's workers takes one is chance, and
eight that stay with one worker measure half of the server."""


class Refused(Exception):
    """A request was not answered as a benchmark needs it."""


def post(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """One request, as it goes over the wire; without a body where that is None."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = {"Host": LOOPBACK, "Content-Length": str(len(content))} | dict(headers or {})
    if content:
        lines["Content-Type"] = "application/json"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def rate(port: int, requests: Sequence[bytes], *, connections: int = CONNECTIONS) -> float:
    """Answers a second for all of these requests.

    Raises:
        Refused: one was answered with anything but success.
    """
    waiting = iter(requests)
    lock = threading.Lock()
    failures: list[Exception] = []

    def work() -> None:
        try:
            connection = _Connection(port)
            while not failures:
                with lock:
                    request = next(waiting, None)
                if request is None:
                    break
                connection.exchange(request)
            connection.close()
        except (OSError, Refused) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    begun = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    seconds = time.perf_counter() - begun
    if failures:
        raise Refused(str(failures[0])) from failures[0]
    return len(requests) / seconds


class _Connection:
    """One connection that is kept for a while, and opened again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sent = 0
        self._socket = self._open()

    def _open(self) -> socket.socket:
        opened = socket.create_connection((LOOPBACK, self._port), TIMEOUT_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def exchange(self, request: bytes) -> None:
        """Send one request and read its answer whole.

        Raises:
            Refused: the status is no success.
        """
        self._socket.sendall(request)
        head, separator, body = self._more(b"").partition(b"\r\n\r\n")
        while not separator:
            head, separator, body = self._more(head).partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        lengths = (
            int(each.partition(b":")[2]) for each in fields if each.startswith(b"content-length:")
        )
        length = next(lengths, 0)
        while len(body) < length:
            body = self._more(body)
        if not fields[0].split(b" ")[1].startswith(b"2"):
            raise Refused(f"{fields[0].decode()}: {body[:SHOWN_BYTES].decode()}")
        self._sent += 1
        # A worker that has served its number ends it, too.
        if b"connection: close" in fields or self._sent % REQUESTS_A_CONNECTION == 0:
            self.close()
            self._socket = self._open()

    def _more(self, so_far: bytes) -> bytes:
        read = self._socket.recv(65_536)
        if not read:
            raise Refused("the server ended the connection in the middle of an answer")
        return so_far + read

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()
