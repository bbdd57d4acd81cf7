"""The HTTP server: one thread per connection, and hands on the socket where an answer must fail."""

import os
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from pettycash.lab.simulators.mpesa.admin import PREFIX, Admin
from pettycash.lab.simulators.mpesa.answers import Answer, Delivery, nothing, refusal
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.lab.simulators.mpesa.dispatcher import Dispatcher
from pettycash.lab.simulators.mpesa.gateway import Call, DarajaWire
from pettycash.lab.simulators.mpesa.payments import SimulatedPayments
from pettycash.lab.simulators.mpesa.queries import Queries
from pettycash.lab.simulators.mpesa.store import SimulatorStore
from pettycash.lab.simulators.mpesa.tokens import TokenIssuer

_BODY_MAX = 1024 * 1024


class Simulator:
    """All parts of one simulator, wired."""

    def __init__(self, configuration: Configuration) -> None:
        self._store = SimulatorStore(configuration)
        credentials = OperatorCredentials(configuration)
        payments = SimulatedPayments(configuration, self._store, credentials)
        queries = Queries(configuration, self._store, credentials)
        tokens = TokenIssuer(configuration, self._store)
        self._dispatcher = Dispatcher(configuration, self._store, payments, queries)
        self._gateway = DarajaWire(configuration, self._store, tokens, payments, queries)
        self._admin = Admin(configuration, self._store, credentials, payments, self._dispatcher)
        self._stopped = False

    def start(self) -> None:
        self._dispatcher.start()

    def stop(self) -> None:
        self._stopped = True
        self._dispatcher.stop()
        self._store.close()

    def answer(self, call: Call) -> Answer:
        """The answer to one call. A mistake of the simulator's own is printed and answered 500."""
        try:
            if call.path.startswith(PREFIX):
                return self._admin.answer(call)
            answer = self._gateway.answer(call)
        except Exception:  # noqa: BLE001 - the client gets an answer, the terminal the reason
            if self._stopped:  # the database closed under a connection that was kept alive
                return nothing(Delivery.LOST)
            traceback.print_exc(file=sys.stderr)
            return refusal(500, "500.003.1001", "Internal Server Error")
        if answer.callback_first is not None:
            self._dispatcher.deliver_now(answer.callback_first)
        if call.method == "POST":
            self._dispatcher.wake()
        return answer


class Server(ThreadingHTTPServer):
    """Listens for a simulator; connections end with the process."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        super().__init__(address, Handler)
        self.simulator = simulator
        self.stopping = threading.Event()

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """A client that went away is its own business; everything else is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive over many requests as Daraja does."""

    protocol_version = "HTTP/1.1"
    timeout = 120
    disable_nagle_algorithm: ClassVar[bool] = True

    def version_string(self) -> str:
        return "Apache"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: `/_sim/requests` has what was received."""

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send(refusal(400, "400.002.05", "Invalid Request Payload"))
            return
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        answer = self._listener().simulator.answer(call)
        self._send(answer)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`do_GET` and its like: every method comes here, and the gateway refuses what it must."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _read_body(self) -> bytes | None:
        """The body; None where its length is no length or above 1 MiB, or where it ends early."""
        if self.headers.get("Transfer-Encoding"):
            return None
        length = self.headers.get("Content-Length", "0").strip()
        if not (length.isascii() and length.isdigit()) or int(length) > _BODY_MAX:
            return None
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else None

    def _send(self, answer: Answer) -> None:
        match answer.delivery:
            case Delivery.LOST:
                self.close_connection = True
            case Delivery.RESET:
                self._reset()
            case Delivery.RESET_MIDWAY:
                self._wait(answer.wait_seconds)
                self.wfile.write(self._head(answer) + answer.body[: len(answer.body) // 2])
                self._wait(0.05)  # a reset may overtake what was written before it
                self._reset()
            case Delivery.TRUNCATED:
                self.wfile.write(self._head(answer) + answer.body[: len(answer.body) // 2])
                self.close_connection = True
            case Delivery.DRIP:
                for byte in self._head(answer) + answer.body:
                    self.wfile.write(bytes([byte]))
                    self._wait(answer.wait_seconds)
            case Delivery.NORMAL:
                self._wait(answer.wait_seconds)
                self.wfile.write(self._head(answer) + self._body(answer))

    def _body(self, answer: Answer) -> bytes:
        return b"" if self.command == "HEAD" else answer.body

    def _head(self, answer: Answer) -> bytes:
        """Status line and headers; one write for head and body spares a delayed ACK."""
        status = HTTPStatus(answer.status)
        lines = [
            f"HTTP/1.1 {answer.status} {status.phrase}",
            f"Date: {self.date_time_string()}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
        ]
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _listener(self) -> Server:
        assert isinstance(self.server, Server)
        return self.server

    def _wait(self, seconds: float) -> None:
        self._listener().stopping.wait(seconds)

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.close_connection = True
        linger_zero = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        # Everything that still holds the descriptor would send a FIN first, so it goes directly.
        os.close(self.connection.detach())


def run(
    configuration: Configuration, *, host: str, port: int, wait_for_end: Callable[[], object]
) -> None:
    """Serve until `wait_for_end` returns. Prints its address once it listens; port 0: a free one.

    Raises:
        StateFolderTaken: another simulator uses the state folder.
        OSError: the address is taken.
    """
    simulator = Simulator(configuration)
    try:
        with Server((host, port), simulator) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            simulator.start()
            address = f"http://{host}:{server.server_address[1]}"
            print(f"M-Pesa simulator: {address}", flush=True)  # noqa: T201 - whoever started it reads
            wait_for_end()
            server.stopping.set()
            server.shutdown()
            thread.join()
    finally:
        simulator.stop()
