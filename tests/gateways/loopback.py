"""Servers on this machine that answer as badly as a rail can."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RawServer:
    """Accepts connections and hands each to a script, which may do anything to it."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self.script = script
        self.accepted = 0
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.script(connection)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@contextmanager
def raw_server(script: Callable[[socket.socket], None]) -> Iterator[RawServer]:
    server = RawServer(script)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """Headers and body, as long as Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Close with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(data: bytes, every_seconds: float = 0.05) -> Callable[[socket.socket], None]:
    """A script that reads the request and answers one byte at a time."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(every_seconds)

    return script


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: bytes | dict[str, Any] = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    # True: the connection is reset instead of an answer
    lost: bool = False


class ScriptedRail:
    """An HTTP server that answers by path: the next of a list, its last one for ever."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, list[Answer]] = {}
        rail = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                rail.calls.append(Call(self.command, self.path, dict(self.headers), body))
                queue = rail.answers[self.path.partition("?")[0]]
                answer = queue.pop(0) if len(queue) > 1 else queue[0]
                if answer.lost:
                    reset(self.connection)
                    return
                content = answer.body
                if isinstance(content, dict):
                    content = json.dumps(content).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(content)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _serve  # noqa: N815 - the base class names them

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # a reset connection is what was asked for

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def paths(self) -> list[str]:
        return [call.path.partition("?")[0] for call in self.calls]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
