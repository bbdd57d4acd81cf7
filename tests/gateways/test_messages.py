"""E-mail and text messages leave as they should, and say why where they do not."""

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import responses
from requests import ConnectionError as NoConnection

from pettycash import settings
from pettycash.gateways import mail, sms
from pettycash.settings import Settings
from pettycash.stack.mailbox.store import Mailbox
from pettycash.stack.ports import LOOPBACK, Ports
from tests.factories import mailboxes

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

    with pytest.raises(mail.NotDelivered) as refusal:
        mail.send(to=["somebody@example.test"], subject="x", text="123456")

    assert "somebody" not in str(refusal.value)
    assert "123456" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_without_a_server_nothing_is_sent() -> None:
    with pytest.raises(mail.NotDelivered, match="SMTP_URL"):
        mail.send(to=["a@example.test"], subject="x", text="y")


def test_a_refused_recipient_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    configured(smtp_url=f"smtp://{LOOPBACK}:1")

    def refuse(*_: object, **__: object) -> smtplib.SMTP:
        raise smtplib.SMTPRecipientsRefused({"somebody@example.test": (550, b"no")})

    monkeypatch.setattr(smtplib, "SMTP", refuse)

    with pytest.raises(mail.NotDelivered) as refusal:
        mail.send(to=["somebody@example.test"], subject="x", text="y")
    assert "somebody" not in str(refusal.value)


def test_a_password_never_goes_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        """A server that offers no TLS."""

        def __init__(self, *_: object, **__: object) -> None:
            self.logged_in = False

        def ehlo(self) -> None:
            return None

        def has_extn(self, _name: str) -> bool:
            return False

        def close(self) -> None:
            return None

        def login(self, *_: object) -> None:
            raise AssertionError("the password left")

    monkeypatch.setattr(smtplib, "SMTP", Plain)
    configured(smtp_url="smtp://user:secret@mail.example.test")

    with pytest.raises(mail.NotDelivered, match="no TLS"):
        mail.send(to=["a@example.test"], subject="x", text="y")


def test_outside_production_texts_turn_up_in_the_mailbox(mailbox: Mailbox) -> None:
    sms.send(to="254712345678", text="123456 releases")

    (message,) = mailbox.messages(to="254712345678@sms.localhost")
    assert message.text == "123456 releases"


def test_in_production_a_provider_is_needed() -> None:
    configured(environment="production")

    with pytest.raises(sms.NotDelivered, match="SMS_URL"):
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

    with pytest.raises(sms.NotDelivered) as refusal:
        sms.send(to="254712345678", text="123456")
    assert "254712345678" not in str(refusal.value)


@responses.activate
def test_a_provider_that_is_away() -> None:
    configured(sms_url=URL, sms_token="key")
    responses.post(URL, body=NoConnection("down"))

    with pytest.raises(sms.NotDelivered, match="transport"):
        sms.send(to="254712345678", text="x")
