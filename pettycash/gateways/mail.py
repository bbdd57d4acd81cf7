"""Sending e-mail: one message, one connection, bounded in time. SMTP_URL says where.

`smtp://[user:password@]host[:port]` speaks TLS as soon as the server offers it, and insists on it
where it signs in anywhere but on this machine; `smtps://` speaks it from the first byte.
"""

import smtplib
import socket
import ssl
import urllib.parse
from collections.abc import Sequence
from contextlib import closing, suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from pettycash.gateways.flight import Deadline, Flight
from pettycash.runtime import settings

TIMEOUT_SECONDS = 10.0
TOTAL_SECONDS = 20.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class MailNotDelivered(Exception):
    """The message was not taken; the text names why, without addresses or contents."""


class _Server(smtplib.SMTP):
    """A mail server whose connection the flight under way can cut."""

    def __init__(self, host: str, port: int, *, flight: Flight, tls: ssl.SSLContext | None) -> None:
        self._flight = flight
        self._tls = tls
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._flight.hold(opened)
        return self._tls.wrap_socket(opened, server_hostname=host) if self._tls else opened


def send(*, to: Sequence[str], subject: str, text: str, deadline: Deadline | None = None) -> None:
    """Hand a message to the mail server, within TOTAL_SECONDS or a deadline that comes sooner.

    Each step has TIMEOUT_SECONDS. Where the time was over the server may have taken it.

    Raises:
        MailNotDelivered: no server, no connection, no time, or the server refused.
    """
    current = settings.current()
    if not current.smtp_url:
        raise MailNotDelivered("SMTP_URL is not set")
    message = EmailMessage()
    message["From"] = current.mail_from
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=current.mail_from.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps holiday replies away
    message.set_content(text)
    within = (deadline or Deadline.after(TOTAL_SECONDS)).sooner(TOTAL_SECONDS)
    if within.remaining() <= 0:
        raise MailNotDelivered("no time was left")
    flight = Flight(within)
    try:
        with (
            flight.watched(),
            closing(_connect(urllib.parse.urlsplit(current.smtp_url), flight)) as server,
        ):
            server.send_message(message, from_addr=current.mail_from, to_addrs=list(to))
            with suppress(smtplib.SMTPException, OSError):  # it has been taken, whatever comes now
                server.quit()
    except (smtplib.SMTPException, OSError) as error:
        reason = "it took too long" if flight.cut else _reason(error)
        raise MailNotDelivered(reason) from None  # the original repeats addresses


def _connect(url: urllib.parse.SplitResult, flight: Flight) -> smtplib.SMTP:
    host = url.hostname or "localhost"
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server = _Server(host, url.port or 465, flight=flight, tls=context)
    else:
        server = _Server(host, url.port or 25, flight=flight, tls=None)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif url.username and host not in LOOPBACK:
            server.close()
            raise MailNotDelivered(
                "the mail server offers no TLS, and a password would go in clear"
            )
    if url.username:
        server.login(urllib.parse.unquote(url.username), urllib.parse.unquote(url.password or ""))
    return server


def _reason(error: Exception) -> str:
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
