"""E-mail and text messages leave as they should, and say why where they do not."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import responses
from requests import ConnectionError as NoConnection

from pettycash.gateways import mail, sms
from pettycash.gateways.flight import Deadline
from pettycash.lab.mailbox.store import Mailbox
from pettycash.runtime import settings
from pettycash.runtime.settings import Settings
from pettycash.stack.ports import LOOPBACK, Ports
from tests.factories import mailboxes
from tests.gateways.loopback import raw_server
from tests.patience import budget

URL = "https://api.africastalking.com/version1/messaging"


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    before = settings._Installed.settings
    settings.install(Settings(environment="test"))
    yield
    settings._Installed.settings = before


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with mailboxes.listening(tmp_path) as box:
        yield box


def configured(**changes: object) -> None:
    settings.install(replace(settings.current(), **changes))  # type: ignore[arg-type]


def test_a_message_arrives(mailbox: Mailbox) -> None:
    mail.send(to=["a@example.test", "b@example.test"], subject="Löhne", text="Grüße\n123456")

    (message,) = mailbox.messages()
    assert message.to == ("a@example.test", "b@example.test")
    assert (message.subject, message.text) == ("Löhne", "Grüße\n123456")


def test_no_server_is_said_without_addresses() -> None:
    configured(smtp_url=f"smtp://{LOOPBACK}:{Ports(usual=False).take(0)}")

    with pytest.raises(mail.MailNotDelivered) as refusal:
        mail.send(to=["somebody@example.test"], subject="x", text="123456")

    assert "somebody" not in str(refusal.value)
    assert "123456" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_without_a_server_nothing_is_sent() -> None:
    with pytest.raises(mail.MailNotDelivered, match="SMTP_URL"):
        mail.send(to=["a@example.test"], subject="x", text="y")


@contextmanager
def mail_server(seen: list[str], **answers: str) -> Iterator[None]:
    """One that says yes, but for the verbs that are given another answer; "" is none at all."""

    def script(connection: socket.socket) -> None:
        connection.sendall(b"220 ready\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                verb = line.strip().decode().partition(" ")[0].upper()
                seen.append(verb)
                answer = answers.get(verb, "354 go on" if verb == "DATA" else "250 yes")
                if answer == "drip":
                    for _ in range(100):
                        connection.sendall(b"2")
                        time.sleep(0.05)
                connection.sendall(f"{answer}\r\n".encode() if answer else b"")
                if verb == "DATA":
                    while lines.readline() != b".\r\n":
                        pass
                    connection.sendall(b"250 taken\r\n")

    with raw_server(script) as server:
        configured(smtp_url=f"smtp://{LOOPBACK}:{server.port}")
        yield


def test_a_refused_recipient_is_not_repeated() -> None:
    with (
        mail_server([], RCPT="550 somebody@example.test is nobody"),
        pytest.raises(mail.MailNotDelivered) as refusal,
    ):
        mail.send(to=["somebody@example.test"], subject="x", text="y")

    assert "somebody" not in str(refusal.value)


def test_a_password_never_goes_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "LOOPBACK", frozenset[str]())
    seen: list[str] = []
    with mail_server(seen):
        port = settings.current().smtp_url.rpartition(":")[2]
        configured(smtp_url=f"smtp://user:secret@{LOOPBACK}:{port}")
        with pytest.raises(mail.MailNotDelivered, match="no TLS"):
            mail.send(to=["a@example.test"], subject="x", text="y")

    assert "AUTH" not in seen


def test_an_answer_byte_by_byte_does_not_outlast_the_total_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "TOTAL_SECONDS", 0.5)
    began = time.monotonic()

    with mail_server([], MAIL="drip"), pytest.raises(mail.MailNotDelivered, match="too long"):
        mail.send(to=["a@example.test"], subject="x", text="y")

    assert time.monotonic() - began < budget(3)


def test_no_mail_leaves_when_the_time_is_over() -> None:
    seen: list[str] = []

    with mail_server(seen), pytest.raises(mail.MailNotDelivered, match="no time"):
        mail.send(to=["a@example.test"], subject="x", text="y", deadline=Deadline.after(0))

    assert seen == []


def test_what_was_taken_has_left_although_the_goodbye_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_SECONDS", 0.3)

    with mail_server([], QUIT=""):
        mail.send(to=["a@example.test"], subject="x", text="y")


def test_outside_production_texts_turn_up_in_the_mailbox(mailbox: Mailbox) -> None:
    sms.send(to="254712345678", text="123456 releases")

    (message,) = mailbox.messages(to="254712345678@sms.localhost")
    assert message.text == "123456 releases"


def test_in_production_a_provider_is_needed() -> None:
    configured(environment="production")

    with pytest.raises(sms.SmsNotDelivered, match="SMS_URL"):
        sms.send(to="254712345678", text="x")


def answering(status: int, body: object) -> None:
    responses.post(URL, status=status, json=body)


def recipients(code: int) -> dict[str, object]:
    return {"SMSMessageData": {"Recipients": [{"statusCode": code, "number": "+254712345678"}]}}


@responses.activate
@pytest.mark.parametrize("code", [100, 101, 102])
def test_the_provider_takes_a_text(code: int) -> None:
    configured(sms_url=f"{URL}?username=acme&from=PETTY", sms_token="key")
    answering(201, recipients(code))

    sms.send(to="254712345678", text="Grüße & 1+1")

    (call,) = responses.calls
    assert call.request.headers["apiKey"] == "key"
    assert call.request.url == URL
    assert call.request.body == (
        b"username=acme&from=PETTY&to=%2B254712345678&message=Gr%C3%BC%C3%9Fe+%26+1%2B1"
    )


@responses.activate
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, recipients(403)),
        (201, recipients(405)),
        (201, {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}),
        (201, {"SMSMessageData": []}),
        (201, {"SMSMessageData": {"Recipients": ["x"]}}),
        (401, {"error": "The supplied authentication is invalid"}),
        (500, {}),
    ],
)
def test_the_provider_refuses_a_text(status: int, body: object) -> None:
    configured(sms_url=f"{URL}?username=acme", sms_token="key")
    answering(status, body)

    with pytest.raises(sms.SmsNotDelivered) as refusal:
        sms.send(to="254712345678", text="123456")
    assert "254712345678" not in str(refusal.value)


@responses.activate
def test_a_provider_that_is_away() -> None:
    configured(sms_url=URL, sms_token="key")
    responses.post(URL, body=NoConnection("down"))

    with pytest.raises(sms.SmsNotDelivered, match="transport"):
        sms.send(to="254712345678", text="x")
