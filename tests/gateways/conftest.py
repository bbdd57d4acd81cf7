"""What the gateways' tests share: a certificate, an account, an instruction, a scripted rail."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pettycash.gateways.base import CallbackUrls, PayoutInstruction, ProviderAccountView
from pettycash.gateways.kit import tokens
from pettycash.gateways.kit.http import RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaGateway
from pettycash.runtime.rails import Rail
from pettycash.stack.redis import program as redis_program
from tests.gateways.loopback import Answer, ScriptedRail
from tests.gateways.rig import QUICK, Rig
from tests.lab.simulators.daraja import PASSWORD, SHORTCODE, Receiver, Simulator
from tests.patience import budget

TOKEN_PATH = "/oauth/v1/generate"
PAYMENT_PATH = "/mpesa/b2c/v3/paymentrequest"
QUERY_PATH = "/mpesa/transactionstatus/v1/query"


def certificate_for(key: rsa.RSAPrivateKey, *, expired: bool = False) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rail.test")])
    now = dt.datetime.now(dt.UTC)
    start = now - dt.timedelta(days=900)
    end = now - dt.timedelta(days=200) if expired else now + dt.timedelta(days=2)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def certificate_pem(rsa_key: rsa.RSAPrivateKey) -> str:
    return certificate_for(rsa_key, expired=True)


@pytest.fixture
def scripted() -> Iterator[ScriptedRail]:
    """Daraja's three paths, all well-behaved until a test says otherwise."""
    rail = ScriptedRail()
    rail.answers[TOKEN_PATH] = [
        Answer(body={"access_token": "tokenAAAAAAAAAAAAAAA1", "expires_in": "3599"})
    ]
    rail.answers[PAYMENT_PATH] = [
        Answer(
            body={
                "ConversationID": "AG_20261121_20106e9209f64bebd05b",
                "OriginatorConversationID": "REQ-2026-000123-1-1",
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )
    ]
    rail.answers[QUERY_PATH] = [
        Answer(
            body={
                "ConversationID": "AG_20261121_30006e9209f64bebd05b",
                "OriginatorConversationID": "16740-34861180-1",
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )
    ]
    yield rail
    rail.close()


@pytest.fixture
def account(scripted: ScriptedRail, certificate_pem: str) -> ProviderAccountView:
    return ProviderAccountView(
        id=UUID("01934f00-0000-7000-8000-00000000000a"),
        company_id=UUID("01934f00-0000-7000-8000-00000000000b"),
        rail=Rail.MPESA,
        base_url=scripted.url,
        shortcode="600992",
        credentials={
            "consumer_key": "keyKEYkeyKEY0001",
            "consumer_secret": "secretSECRETsecret0001",
            "initiator_name": "apiop37",
            "initiator_password": "Safaricom#7&%$@!",
            "certificate_pem": certificate_pem,
        },
        environment="sandbox",
    )


@pytest.fixture
def instruction(account: ProviderAccountView) -> PayoutInstruction:
    slug = "0123456789abcdef0123456789abcdef"
    secret = "5ec4e7" * 10
    base = "https://pettycash.test/api/callbacks"
    return PayoutInstruction(
        originator_reference="REQ-2026-000123-1-1",
        amount=Decimal("1500.00"),
        currency="KES",
        destination="254705912645",
        payee_name="Payee",
        remarks="Fuel for the van",
        account=account,
        callbacks=CallbackUrls(
            result=f"{base}/{slug}1/{secret}a",
            timeout=f"{base}/{slug}2/{secret}b",
            query_result=f"{base}/{slug}3/{secret}c",
            query_timeout=f"{base}/{slug}4/{secret}d",
        ),
    )


def at(instruction: PayoutInstruction, base_url: str) -> PayoutInstruction:
    """The same instruction for an account at another address."""
    return replace(instruction, account=replace(instruction.account, base_url=base_url))


class OwnRedis:
    """A Redis of these tests alone, which they may stop, freeze and start again."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(redis_program()), "--port", "0", "--unixsocket", str(self.socket), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + budget(10)
        while time.monotonic() < until:
            try:
                with self.client() as client:
                    client.ping()
            except redis.RedisError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("redis-server did not come up")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self) -> redis.Redis:
        return tokens.connect(f"unix://{self.socket}")


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path_factory.mktemp("r"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(own_redis: OwnRedis) -> OwnRedis:
    if own_redis.process is None:
        own_redis.start()
    with own_redis.client() as client:
        client.flushall()
    return own_redis


@pytest.fixture
def redis_client(redis_server: OwnRedis) -> Iterator[redis.Redis]:
    with redis_server.client() as client:
        yield client


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    process = Simulator(tmp_path_factory.mktemp("mpesa"), "--callback-delay", "0.05").start()
    yield process
    process.end()


@pytest.fixture
def rig(simulator: Simulator, receiver: Receiver) -> Rig:
    simulator.forget("faults")
    account = ProviderAccountView(
        id=UUID(int=7),
        company_id=UUID(int=8),
        rail=Rail.MPESA,
        base_url=simulator.url,
        shortcode=SHORTCODE,
        credentials={
            "consumer_key": "sim-consumer-key",
            "consumer_secret": "sim-consumer-secret",
            "initiator_name": "testapi",
            "initiator_password": PASSWORD,
            "certificate_pem": simulator.certificate().decode(),
        },
    )
    gateway = MpesaGateway(RailSession([simulator.url], QUICK), TokenCache(None))
    return Rig(simulator, receiver, account, gateway)
