"""A small Daraja client, a callback receiver and a simulator process, for judging the simulator.

The client knows the wire and nothing of the simulator's code.
"""

import base64
import itertools
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.patience import budget

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "Safaricom999!*!"
SHORTCODE = "600992"
_numbers = itertools.count(10_000_000)
T = TypeVar("T")


def until(read: Callable[[], T], *, seconds: float = 5.0) -> T:
    """Read again and again until it is true; the last reading where it never is."""
    began = time.monotonic()
    while True:
        value = read()
        if value or time.monotonic() - began > budget(seconds):
            return value
        time.sleep(0.02)


def new_reference() -> str:
    return f"T-{uuid.uuid4().hex[:16]}"


def new_phone() -> str:
    """A number that no scenario belongs to."""
    return f"2547{next(_numbers)}"


class Simulator:
    """One simulator process and its own pages."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self._options = ["--callback-delay", "0.05", *options]
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> "Simulator":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pettycash.lab.simulators.mpesa", "--port", "0", "--state",
             str(self.state), *self._options],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("M-Pesa simulator: http://"), line
        self.url = line.split()[-1]
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=budget(10))
        self.process.stdout.close()
        return code

    def page(self, path: str, **query: object) -> Any:
        text = {name: str(value) for name, value in query.items()}
        answer = requests.get(f"{self.url}/_sim/{path}", params=text, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, path: str, **body: object) -> Any:
        answer = requests.post(f"{self.url}/_sim/{path}", json=body, timeout=10)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def forget(self, path: str) -> None:
        assert requests.delete(f"{self.url}/_sim/{path}", timeout=10).status_code == 200

    def movements(self, reference: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page("ledger", originator_reference=reference)[
            "movements"
        ]
        return found

    def certificate(self) -> bytes:
        return requests.get(f"{self.url}/_sim/certificate", timeout=10).content


class Daraja:
    """A client of the wire: one token, one session, payments and status queries."""

    def __init__(self, simulator: Simulator, receiver: "Receiver") -> None:
        self.simulator = simulator
        self.receiver = receiver
        self.token = ""

    def get_token(self, **headers: str) -> requests.Response:
        answer = requests.get(
            f"{self.simulator.url}/oauth/v1/generate",
            params={"grant_type": "client_credentials"},
            auth=("sim-consumer-key", "sim-consumer-secret"),
            headers=headers,
            timeout=10,
        )
        if answer.status_code == 200 and answer.headers["Content-Type"] == "application/json":
            self.token = answer.json()["access_token"]
        return answer

    def credential(self, password: str = PASSWORD) -> str:
        key = x509.load_pem_x509_certificate(self.simulator.certificate()).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()

    def payment_body(self, **changed: object) -> dict[str, object]:
        reference = changed.get("OriginatorConversationID", new_reference())
        body: dict[str, object] = {
            "OriginatorConversationID": reference,
            "InitiatorName": "testapi",
            "SecurityCredential": "",
            "CommandID": "BusinessPayment",
            "Amount": "1500",
            "PartyA": SHORTCODE,
            "PartyB": new_phone(),
            "Remarks": "petty cash",
            "QueueTimeOutURL": f"{self.receiver.url}/timeout/{reference}/0",
            "ResultURL": f"{self.receiver.url}/result/{reference}/0",
            "Occassion": "fuel",
        }
        body.update(changed)
        if body["SecurityCredential"] == "":
            body["SecurityCredential"] = self.credential()
        return {key: value for key, value in body.items() if value is not None}

    def query_body(self, **changed: object) -> dict[str, object]:
        name = uuid.uuid4().hex[:12]
        body: dict[str, object] = {
            "Initiator": "testapi",
            "SecurityCredential": "",
            "CommandID": "TransactionStatusQuery",
            "TransactionID": "",
            "OriginalConversationID": "",
            "PartyA": SHORTCODE,
            "IdentifierType": "4",
            "ResultURL": f"{self.receiver.url}/status/{name}",
            "QueueTimeOutURL": f"{self.receiver.url}/statustimeout/{name}",
            "Remarks": "OK",
            "Occasion": "OK",
        }
        body.update(changed)
        if body["SecurityCredential"] == "":
            body["SecurityCredential"] = self.credential()
        return {key: value for key, value in body.items() if value is not None}

    def post(
        self, path: str, body: object, *, scenario: str = "", read_timeout: float = 10
    ) -> requests.Response:
        if not self.token:
            self.get_token()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if scenario:
            headers["X-Sim-Scenario"] = scenario
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(
            f"{self.simulator.url}{path}", data=data, headers=headers, timeout=(3, read_timeout)
        )

    def pay(self, *, scenario: str = "", read_timeout: float = 10, **changed: object) -> "Paid":
        body = self.payment_body(**changed)
        paid = Paid(self, body)
        try:
            paid.answer = self.post(
                "/mpesa/b2c/v3/paymentrequest", body, scenario=scenario, read_timeout=read_timeout
            )
        except requests.RequestException as error:
            paid.error = error
        return paid

    def ask(self, *, scenario: str = "", **changed: object) -> "Asked":
        body = self.query_body(**changed)
        asked = Asked(self, body)
        try:
            asked.answer = self.post("/mpesa/transactionstatus/v1/query", body, scenario=scenario)
        except requests.RequestException as error:
            asked.error = error
        return asked


@dataclass
class Delivery:
    """One callback as it arrived."""

    path: str
    body: bytes
    at: float
    content_type: str

    @property
    def result(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)["Result"]
        return told

    @property
    def values(self) -> dict[str, Any]:
        items = self.result["ResultParameters"]["ResultParameter"]
        return {item["Key"]: item.get("Value") for item in items}


class Receiver:
    """Takes callbacks and answers 200; https where a certificate is given."""

    def __init__(self, *, certificate: Path | None = None, key: Path | None = None) -> None:
        self._deliveries: list[Delivery] = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.headers["Content-Type"]
                receiver.take(Delivery(self.path, body, time.monotonic(), kind))
                reply = b'{"ResultCode": 0, "ResultDesc": "Accepted"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # fifty callbacks come at once; 5 would drop some for a second

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def take(self, delivery: Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)

    def at(self, path: str) -> list[Delivery]:
        with self._lock:
            return [one for one in self._deliveries if one.path == path]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Paid:
    """A payment request that was sent, whatever came back."""

    client: Daraja
    body: dict[str, object]
    answer: requests.Response | None = None
    error: requests.RequestException | None = None

    @property
    def reference(self) -> str:
        return str(self.body["OriginatorConversationID"])

    @property
    def json(self) -> dict[str, Any]:
        assert self.answer is not None, self.error
        told: dict[str, Any] = self.answer.json()
        return told

    @property
    def movements(self) -> list[dict[str, Any]]:
        return self.client.simulator.movements(self.reference)

    @property
    def status(self) -> str:
        found = self.client.simulator.page("payments", originator_reference=self.reference)
        return found["payments"][0]["status"] if found["payments"] else "never seen"

    def results(self, count: int = 1, *, seconds: float = 5.0) -> list[Delivery]:
        """The callbacks at the ResultURL once there are `count`, or what came in time."""
        return self._at("ResultURL", count, seconds)

    def notices(self, count: int = 1, *, seconds: float = 5.0) -> list[Delivery]:
        return self._at("QueueTimeOutURL", count, seconds)

    def _at(self, field_name: str, count: int, seconds: float) -> list[Delivery]:
        return arrivals(self.client, str(self.body[field_name]), count, seconds)

    def again(self, *, scenario: str = "") -> "Paid":
        return self.client.pay(scenario=scenario, **self.body)


@dataclass
class Asked:
    """A status query that was sent, whatever came back."""

    client: Daraja
    body: dict[str, object]
    answer: requests.Response | None = None
    error: requests.RequestException | None = field(default=None)

    @property
    def json(self) -> dict[str, Any]:
        assert self.answer is not None, self.error
        told: dict[str, Any] = self.answer.json()
        return told

    def results(self, count: int = 1, *, seconds: float = 5.0) -> list[Delivery]:
        return arrivals(self.client, str(self.body["ResultURL"]), count, seconds)

    def notices(self, count: int = 1, *, seconds: float = 5.0) -> list[Delivery]:
        return arrivals(self.client, str(self.body["QueueTimeOutURL"]), count, seconds)


def arrivals(client: Daraja, url: str, count: int, seconds: float) -> list[Delivery]:
    path = url.removeprefix(client.receiver.url)
    until(lambda: len(client.receiver.at(path)) >= count, seconds=seconds)
    return client.receiver.at(path)


def settled_quietly(client: Daraja, paid: Paid) -> None:
    """Wait until nothing more is owed, so that "never" has been given its time."""
    until(lambda: _owed(client.simulator, paid.reference) == 0)
    time.sleep(0.15)


def _owed(simulator: Simulator, reference: str) -> int:
    listed = simulator.page("callbacks", originator_reference=reference)["callbacks"]
    return sum(1 for one in listed if one["attempted_at"] is None)
