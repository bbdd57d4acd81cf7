"""TLS is verified, and what fails in its handshake never left."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pettycash.gateways.kit.http import HttpLimits, RailSession, TransportFailure, never_left
from tests.gateways.conftest import certificate_for
from tests.gateways.loopback import raw_server, read_request
from tests.patience import budget

FAST = HttpLimits(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0)


def session_for(url: str, limits: HttpLimits = FAST) -> RailSession:
    return RailSession([url], limits)


def post(session: RailSession, url: str, **kwargs: object) -> TransportFailure:
    with pytest.raises(TransportFailure) as caught:
        session.post(url, headers={}, body=b'{"Amount": "10"}', **kwargs)  # type: ignore[arg-type]
    return caught.value


@dataclass
class TlsRail:
    url: str
    certificate: Path
    # how the answer ends: whole, or cut below the TLS layer
    cut: bool = False


@pytest.fixture
def tls_rail(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> Iterator[TlsRail]:
    certificate, chain = tmp_path / "own.pem", tmp_path / "chain.pem"
    certificate.write_text(certificate_for(rsa_key))
    key = rsa_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain.write_text(certificate.read_text() + key.decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)

    def script(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            read_request(wrapped)
            if rail.cut:
                wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{")
                socket.socket.shutdown(wrapped, socket.SHUT_RDWR)
                return
            wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with raw_server(script) as server:
        rail = TlsRail(f"https://127.0.0.1:{server.port}", certificate)
        yield rail


def test_a_certificate_that_we_trust_is_enough(tls_rail: TlsRail) -> None:
    limits = replace(FAST, ca_bundle=str(tls_rail.certificate))

    answer = session_for(tls_rail.url, limits).post(tls_rail.url, headers={}, body=b"{}")

    assert answer.body == b"{}"


def test_tls_cut_in_the_answer_may_have_arrived(tls_rail: TlsRail) -> None:
    tls_rail.cut = True

    failure = post(
        session_for(tls_rail.url, replace(FAST, ca_bundle=str(tls_rail.certificate))), tls_rail.url
    )

    assert failure.left
    assert not never_left(failure)


def test_a_certificate_that_nobody_vouches_for_never_left(tls_rail: TlsRail) -> None:
    failure = post(session_for(tls_rail.url), tls_rail.url)

    assert failure.code == "transport.tls"
    assert never_left(failure)


def test_a_tls_handshake_that_hangs_never_left_and_ends() -> None:
    def script(connection: socket.socket) -> None:
        for _ in range(100):  # each byte of a record header in time for the read time-out
            connection.sendall(b"\x16")
            time.sleep(0.1)

    with raw_server(script) as server:
        url = f"https://127.0.0.1:{server.port}"
        started = time.monotonic()
        failure = post(session_for(url), url)

    assert never_left(failure)
    assert time.monotonic() - started < budget(1.6)
