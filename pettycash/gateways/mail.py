"""Sending e-mail: one message, one connection, bounded in time. SMTP_URL says where.

`smtp://[user:password@]host[:port]` speaks TLS as soon as the server offers it, and insists on it
where it signs in anywhere but on this machine; `smtps://` speaks it from the first byte.
"""

import smtplib
import ssl
import urllib.parse
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from pettycash import settings

TIMEOUT_SECONDS = 10.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class NotDelivered(Exception):
    """The message was not taken; the text names why, without addresses or contents."""


def send(*, to: Sequence[str], subject: str, text: str) -> None:
    """Hand a message to the mail server. Blocks up to TIMEOUT_SECONDS for each step.

    Raises:
        NotDelivered: no server, no connection, or the server refused.
    """
    current = settings.current()
    if not current.smtp_url:
        raise NotDelivered("SMTP_URL is not set")
    message = EmailMessage()
    message["From"] = current.mail_from
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=current.mail_from.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps holiday replies away
    message.set_content(text)
    try:
        with _connect(urllib.parse.urlsplit(current.smtp_url)) as server:
            server.send_message(message, from_addr=current.mail_from, to_addrs=list(to))
    except (smtplib.SMTPException, OSError) as error:
        raise NotDelivered(_reason(error)) from None  # the original repeats addresses


def _connect(url: urllib.parse.SplitResult) -> smtplib.SMTP:
    host = url.hostname or "localhost"
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, url.port or 465, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, url.port or 25, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif url.username and host not in LOOPBACK:
            server.close()
            raise NotDelivered("the mail server offers no TLS, and a password would go in clear")
    if url.username:
        server.login(urllib.parse.unquote(url.username), urllib.parse.unquote(url.password or ""))
    return server


def _reason(error: Exception) -> str:
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
