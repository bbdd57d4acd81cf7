"""A broker over TLS: its certificate is checked, by Celery as by everybody else."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu.exceptions import OperationalError

from pettycash import celery_app
from pettycash.cli import deployed
from pettycash.runtime import config
from pettycash.stack.ports import LOOPBACK
from tests.servers import Database, Servers


def certificate(folder: Path) -> Path:
    """A key and a certificate for this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, LOOPBACK)])
    today = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "own.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Bytes of one direction, until one side is gone."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def over_tls(port: int, file: Path) -> Iterator[int]:
    """A port that speaks TLS and leads to another that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    opened: list[socket.socket] = []
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    raw, _ = listener.accept()
                    opened.append(raw)
                    with contextlib.suppress(OSError):
                        outer = context.wrap_socket(raw, server_side=True)
                        inner = socket.create_connection((LOOPBACK, port))
                        opened.extend((outer, inner))
                        for pair in ((outer, inner), (inner, outer)):
                            threading.Thread(target=pass_on, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for each in opened:
        each.close()


def test_the_certificate_of_a_broker_is_checked(
    database: Database, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    with over_tls(servers.redis.port, file) as port:
        url = database.redis_url.replace("redis://", "rediss://")
        url = url.replace(f":{servers.redis.port}/", f":{port}/")
        celery = celery_app.create_celery(config.read(database.environ | {"REDIS_URL": url}))
        with pytest.raises(OperationalError, match=r"(?i)certificate"):
            celery.send_task("payments.nothing", kwargs={"message_id": "1"})
        assert not deployed.redis_answers(url)["ok"]

        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        celery.send_task("payments.nothing", kwargs={"message_id": "1"})
        assert deployed.redis_answers(url)["ok"]
        with celery.connection_for_read() as connection:
            queue = connection.SimpleQueue("payments")
            queue.get(timeout=5).ack()
            queue.close()
        celery.close()
