"""A client that somebody else wrote pays through the simulator: `mpesa-daraja-mcp` from PyPI.

It lives in an environment of its own, made once and kept in pytest's cache.
"""

import datetime as dt
import fcntl
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.lab.simulators.daraja import PASSWORD, SHORTCODE, Daraja, Receiver, Simulator, until

REQUIREMENT = "mpesa-daraja-mcp==0.1.4"
DRIVER = Path(__file__).with_name("independent_client.py")
# The package refuses callbacks to localhost and 127.…, and anything but https.
RECEIVER_HOST = "0.0.0.0"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("independent client"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def interpreter(request: pytest.FixtureRequest) -> Path:
    """Python of an environment with the package; skips with the reason where it can't be made."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("mpesa-daraja-mcp")
    python, stamp = folder / "venv/bin/python", folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of one test run may both come here
        wanted = f"{REQUIREMENT} {sys.version}"
        if not stamp.exists() or stamp.read_text() != wanted or not python.exists():
            _install(folder / "venv", python)
            stamp.write_text(wanted)
    return python


def _install(environment: Path, python: Path) -> None:
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", REQUIREMENT],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{REQUIREMENT} can't be installed here: {error}")
        if done.returncode:
            pytest.skip(f"{REQUIREMENT} can't be installed here: {done.stderr[-300:]}")


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for the receiver, and its key."""
    folder = tmp_path_factory.mktemp("https")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver of callbacks")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(RECEIVER_HOST))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


@pytest.fixture(scope="module")
def receiver(https: tuple[Path, Path]) -> Iterator[Receiver]:
    server = Receiver(certificate=https[0], key=https[1])
    server.url = server.url.replace("127.0.0.1", RECEIVER_HOST)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def simulator(
    tmp_path_factory: pytest.TempPathFactory, https: tuple[Path, Path]
) -> Iterator[Simulator]:
    state = tmp_path_factory.mktemp("mpesa")
    process = Simulator(state, "--callback-ca", str(https[0])).start()
    yield process
    assert process.end() == 0


class Stranger:
    """The package in its own process."""

    def __init__(self, python: Path, simulator: Simulator, folder: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), str(DRIVER), simulator.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={
                "PATH": os.environ.get("PATH", ""),
                "NO_PROXY": "*",
                "DARAJA_CONFIG_DIR": str(folder),
                "DARAJA_STATE_DB": str(folder / "state.db"),
                "DARAJA_ENV": "sandbox",
                "DARAJA_CONSUMER_KEY": "sim-consumer-key",
                "DARAJA_CONSUMER_SECRET": "sim-consumer-secret",
                "DARAJA_SHORTCODE": SHORTCODE,
                "DARAJA_INITIATOR_NAME": "testapi",
                "DARAJA_INITIATOR_PASSWORD": PASSWORD,
                "DARAJA_CERT_PATH": str(simulator.state / "certificate.pem"),
            },
        )

    def __call__(self, do: str, **order: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate(timeout=20)


@pytest.fixture(scope="module")
def stranger(
    interpreter: Path, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stranger]:
    process = Stranger(interpreter, simulator, tmp_path_factory.mktemp("stranger"))
    yield process
    process.end()


def _callback(stranger: Stranger, receiver: Receiver, path: str) -> None:
    arrived = until(lambda: receiver.at(path))
    assert len(arrived) == 1
    stranger("callback", path=path, body=arrived[0].body.decode())


def test_it_pays_and_reads_the_result(
    stranger: Stranger, simulator: Simulator, receiver: Receiver, client: Daraja
) -> None:
    order = {
        "phone": "0712 345 678",
        "amount": 1500,
        "remarks": "petty cash",
        "idempotency_key": "voucher-1",
        "result_url": f"{receiver.url}/a/result",
        "timeout_url": f"{receiver.url}/a/timeout",
    }
    paid = stranger("pay", **order)
    assert paid.get("status") == "ACCEPTED", paid
    _callback(stranger, receiver, "/a/result")

    told = stranger("result", id="voucher-1")

    reference = paid["ids"]["originator_conversation_id"]
    [movement] = simulator.movements(reference)
    assert told["status"] == "SUCCESS"
    assert told["receipt"] == movement["provider_reference"]
    assert (movement["amount"], movement["phone"]) == ("1500.00", "254712345678")
    assert simulator.page("ledger")["total"] == 1

    asked = stranger(
        "ask",
        original_conversation_id=reference,
        result_url=f"{receiver.url}/b/result",
        timeout_url=f"{receiver.url}/b/timeout",
    )
    assert asked["status"] == "ACCEPTED", asked
    _callback(stranger, receiver, "/b/result")
    answered = stranger("result", id=asked["ids"]["originator_conversation_id"])
    assert answered["raw"]["parameters"]["TransactionStatus"] == "Completed"
    assert answered["raw"]["parameters"]["ReceiptNo"] == movement["provider_reference"]


def test_it_understands_a_refusal(
    stranger: Stranger, simulator: Simulator, receiver: Receiver
) -> None:
    paid = stranger(
        "pay",
        phone="254700000416",
        amount=200,
        remarks="petty cash",
        idempotency_key="voucher-2",
        result_url=f"{receiver.url}/c/result",
        timeout_url=f"{receiver.url}/c/timeout",
    )
    assert paid.get("status") == "ACCEPTED", paid
    _callback(stranger, receiver, "/c/result")

    told = stranger("result", id="voucher-2")

    assert (told["status"], told["result_code"]) == ("FAILED", "2040")
    assert simulator.movements(paid["ids"]["originator_conversation_id"]) == []


def test_its_own_default_paths_are_refused_for_their_words(
    stranger: Stranger, receiver: Receiver
) -> None:
    told = stranger(
        "pay",
        phone="254712345678",
        amount=200,
        remarks="petty cash",
        idempotency_key="voucher-3",
        result_url=f"{receiver.url}/mpesa/b2c/result",
        timeout_url=f"{receiver.url}/mpesa/b2c/timeout",
    )

    assert "400.002.02" in told["raised"]
    assert "Bad Request - Invalid" in told["raised"]
