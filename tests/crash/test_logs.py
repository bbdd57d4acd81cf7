"""What the processes write: one JSON object a line, one request id from release to report."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pyotp
import pytest
import requests
from sqlalchemy import select

from pettycash.cli.lab.seed import fixed_credentials
from pettycash.models.imprest import ProviderAccount
from pettycash.models.payments import Payment, PaymentAttempt, PaymentTransaction
from pettycash.runtime import db
from pettycash.services.payments import callback_addresses
from tests.crash.system import ONE_CODE, Paid, System
from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

OURS = ("api", "relay", "worker")
FORGED = '{"event": "forged", "level": "info"}'
BROKEN = f"\n{FORGED}\n\r\x1b[2K\x85\u2028"
RELEASER = "treasury_2"


def written(system: System) -> Iterator[str]:
    """Every line of our own processes; only a line feed ends one."""
    for name in OURS:
        log = (system.folder / f"{name}.log").read_text(encoding="utf-8", errors="strict")
        yield from log.split("\n")[:-1]


class Person:
    """Somebody at the API, from the password to the release."""

    def __init__(self, system: System, name: str) -> None:
        self.system = system
        self.name = name
        self.secrets: list[str] = []

    def call(self, path: str, body: Any = None, **headers: str) -> requests.Response:
        """One POST."""
        return requests.post(
            f"{self.system.api_url}{path}",
            json=body,
            headers={"Idempotency-Key": str(uuid4()), **headers},
            timeout=15,
        )

    def sign_in(self) -> None:
        """With password and code, and once more by the refresh token."""
        right = fixed_credentials(self.name)
        with db.system_transaction() as session:
            code = pyotp.TOTP(right.totp_secret).at(session.info["now"])
        body = {"username": self.name, "password": right.password, "totp_code": code}
        first = self.call("/api/auth/login/", body)
        assert first.status_code == 200, first.text
        again = self.call("/api/auth/refresh/", {"refresh_token": first.json()["refresh_token"]})
        assert again.status_code == 200, again.text
        self.secrets += [right.password, right.totp_secret]
        self.secrets += [
            each.json()[name]
            for each in (first, again)
            for name in ("access_token", "refresh_token")
        ]
        self.bearer = {"Authorization": f"Bearer {again.json()['access_token']}"}

    def release(self, paid: Paid, request_id: str) -> None:
        """Ask for a code, read it in the mailbox, verify it, execute."""
        place = f"/api/payments/{paid.id}"
        sent = self.call(f"{place}/send_otp/", **self.bearer)
        assert sent.status_code in (200, 202), sent.text
        code = self.code_for(paid)
        self.secrets.append(code)
        verified = self.call(f"{place}/verify_otp/", {"code": code}, **self.bearer)
        assert verified.status_code == 200, verified.text
        done = self.call(f"{place}/execute/", **self.bearer, **{"X-Request-Id": request_id})
        assert done.status_code == 202, done.text
        assert done.headers["X-Request-Id"] == request_id

    def code_for(self, paid: Paid) -> str:
        """The code in the letter about this payment; others of the group mail this person too."""
        with self.system.session() as session:
            number = session.get_one(Payment, paid.id).number
        codes: list[str] = []

        def is_there() -> bool:
            letters = self.system.mailbox.messages(f"{self.name}@demo.example", 20)
            texts = [each.text for each in letters if number in each.text]
            codes[:] = [code[0] for code in map(ONE_CODE.search, texts) if code]
            return bool(codes)

        assert wait_until(is_there, 20)
        return codes[0]


def secret_of(system: System, paid: Paid) -> str:
    """The last part of the address that the rail reports to."""
    attempt = system.attempt(paid)
    with system.session() as session:
        account_id = session.execute(select(ProviderAccount.id)).scalar_one()
    return callback_addresses.urls_of(attempt.id, account_id).result.rpartition("/")[2]


def test_one_id_tells_a_payment_s_story_from_its_release_to_the_report(system: System) -> None:
    paid = system.payment("123.00")
    person = Person(system, RELEASER)
    person.sign_in()
    request_id = f"story-{uuid4().hex}"

    person.release(paid, request_id)
    system.await_success(paid)

    lines = [json.loads(line) for line in written(system) if request_id in line]
    told = {line["event"] for line in lines}
    assert told >= {
        "payment.released", "attempt.claimed", "attempt.sending", "exchange.initiate",
        "attempt.accepted", "callback.stored", "callback.weighed", "attempt.settled", "task ended",
        "request",
    }  # fmt: skip
    attempt = system.attempt(paid)
    about = [line for line in lines if line["event"].startswith(("attempt.", "exchange."))]
    assert {(line["payment_id"], line["attempt_id"]) for line in about} == {
        (str(paid.id), str(attempt.id))
    }
    requested = [line for line in lines if line["event"] == "request"]
    executed = next(line for line in requested if line["path"].endswith("/execute/"))
    assert (executed["status"], executed["method"]) == (202, "POST")
    assert executed["person_id"]
    assert any(line["path"].startswith("/api/callbacks/") for line in requested)
    with system.session() as session:
        rows = session.execute(
            select(PaymentTransaction.request_id).where(PaymentTransaction.payment_id == paid.id)
        ).scalars()
        assert set(rows) == {request_id}
        kept = session.execute(
            select(PaymentAttempt.request_id).where(PaymentAttempt.payment_id == paid.id)
        ).scalar_one()
    assert kept == request_id


def test_nobody_forges_a_line_or_finds_a_secret_in_one(system: System) -> None:
    paid, person = system.payment("17.00"), Person(system, "treasury_3")
    person.sign_in()
    raw(system, f"GET /x%0A{FORGED.replace(' ', '%20')}%0A HTTP/1.1")
    raw(system, "GET /api/payments/254711234567/+254711234567 HTTP/1.1")
    raw(system, "GET /\xe2\x80\xa8{} HTTP/1.1")
    hostile = Person(system, "nobody")
    wrong = hostile.call(
        "/api/auth/login/", {"username": f"staff{BROKEN}", "password": f"secret-words{BROKEN}"}
    )
    assert wrong.status_code in (401, 422), wrong.text
    refused = hostile.call("/api/users/", {}, **{"X-Request-Id": "a b{}"})
    assert refused.status_code == 401
    person.release(paid, f"quiet-{uuid4().hex}")
    system.await_success(paid)
    secret = secret_of(system, paid)
    attempt = system.attempt(paid)
    for path in (
        f"/api/callbacks/{attempt.id.hex}1/{secret}",
        f"//api/callbacks/{attempt.id.hex}1//{secret}",
    ):
        requests.post(f"{system.api_url}{path}", data=BROKEN.encode(), timeout=15)

    found = list(written(system))
    events = [json.loads(line) for line in found]
    assert all(isinstance(each, dict) and each["event"] for each in events)
    assert "forged" not in {each["event"] for each in events}
    assert all(line.isascii() and line.isprintable() for line in found)
    text = "\n".join(found)
    for kept in (secret, paid.phone, "254711234567", "secret-words", *person.secrets):
        assert kept not in text, kept
    refusals = [each for each in events if each["event"] == "request" and each["status"] == 401]
    assert {"auth.required"} <= {each.get("code") for each in refusals}


def raw(system: System, request_line: str) -> None:
    """One request as it stands, whatever a client library thinks of it."""
    place = urlsplit(system.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        head = f"{request_line}\r\nHost: x\r\nConnection: close\r\nUser-Agent: {FORGED}\r\n\r\n"
        connection.sendall(head.encode("latin-1"))
        connection.recv(4096)
