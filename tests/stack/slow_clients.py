"""Clients whose network is slow, or who make it slow: raw sockets to a real server."""

import contextlib
import http.client
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

JSON = b"POST /api/requisitions/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
LOGIN = JSON.replace(b"/requisitions/", b"/auth/login/")
KINDS = {
    "body": LOGIN + b"Content-Length: 1000\r\n\r\n{",
    "chunks": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n",
    "upload": (
        b"POST /api/requisitions/00000000-0000-0000-0000-000000000000/attachments/ HTTP/1.1\r\n"
        b"Host: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n"
        b"\r\n--b\r\n"
    ),
    "head": b"GET /healthz HTTP/1.1\r\nX-Slow: ",
    "reader": b"GET /api/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 20,
}
"""What a client begins with before it sends a byte a second; a reader never reads its answers."""

DRIPS = {"body": b" ", "chunks": b"1\r\n \r\n", "upload": b"x", "head": b"x", "reader": b""}


def patience() -> float:
    """How much longer than on a quiet machine something may take here and now."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def connect(url: str, receive_bytes: int = 0) -> socket.socket:
    """A connection to a server; a small receive buffer makes a reader slow."""
    parts = urlsplit(url)
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(30)
    connection.connect((parts.hostname or "", parts.port or 80))
    return connection


@contextlib.contextmanager
def dripping(url: str, count: int, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[None]:
    """As many sockets that dawdle, of all kinds in turn; one that is closed is opened again."""
    stop = threading.Event()
    open_now: dict[socket.socket, str] = {}

    def begin(kind: str) -> None:
        connection = connect(url, 4096 if kind == "reader" else 0)
        connection.sendall(KINDS[kind])
        connection.setblocking(False)
        open_now[connection] = kind

    for number in range(count):
        begin(kinds[number % len(kinds)])

    def drip() -> None:
        while not stop.wait(1.0):
            for connection, kind in list(open_now.items()):
                try:
                    if kind != "reader" and not connection.recv(1, socket.MSG_PEEK):
                        raise ConnectionError
                except BlockingIOError:
                    pass
                except OSError:
                    connection.close()
                    del open_now[connection]
                    begin(kind)
                    continue
                with contextlib.suppress(OSError):
                    connection.send(DRIPS[kind])

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        for connection in open_now:
            connection.close()


@dataclass
class Times:
    """How long answers took."""

    seconds: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """All but one of a hundred were quicker."""
        ordered = sorted(self.seconds)
        return ordered[math.ceil(len(ordered) * 0.99) - 1]


def healthz(url: str, seconds: float) -> Times:
    """Ask /healthz over and over, each time on a connection of its own."""
    times = Times()
    parts = urlsplit(url)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            client.request("GET", "/healthz")
            assert client.getresponse().status == 200
        finally:
            client.close()
        times.seconds.append(time.monotonic() - began)
        time.sleep(0.02)
    return times


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    head: bytes
    body: bytes


def send_slowly(
    url: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float
) -> Answer:
    """POST a body in even pieces over a time, and read the answer."""
    with connect(url) as connection:
        lines = [f"POST {path} HTTP/1.1", "Host: a", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        pieces = max(2, min(len(body), round(seconds * 5)))
        step = math.ceil(len(body) / pieces)
        began = time.monotonic()
        for number in range(pieces):
            time.sleep(max(0.0, began + number * seconds / pieces - time.monotonic()))
            piece = body[number * step : (number + 1) * step]
            if piece:
                try:
                    connection.sendall(piece)
                except OSError:
                    break  # it has answered already
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """All that comes until the other side closes."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ")[1]) if head else 0, head, body)


def multipart(content: bytes) -> tuple[bytes, dict[str, str]]:
    """A file as a form, and the headers that say so."""
    begin = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return begin + content + b"\r\n--b--\r\n", headers
