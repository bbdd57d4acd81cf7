"""A mail server of the test's own, over real SMTP."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from pettycash.lab.mailbox.sink import Sink
from pettycash.lab.mailbox.store import Mailbox
from pettycash.runtime import settings
from pettycash.stack.ports import LOOPBACK, Ports


@contextmanager
def listening(folder: Path) -> Iterator[Mailbox]:
    """Take the mail of this process until the block ends."""
    mailbox = Mailbox(folder)
    port = Ports(usual=False).take(0)
    sink = Sink(port, mailbox)
    sink.start()
    before = settings.current()
    settings.install(replace(before, smtp_url=f"smtp://{LOOPBACK}:{port}"))
    try:
        yield mailbox
    finally:
        settings.install(replace(settings.current(), smtp_url=before.smtp_url))
        sink.stop()


def newest_code(mailbox: Mailbox, to: str) -> str:
    """The six digits of the newest message to an address."""
    message = mailbox.messages(to=to)[0]
    found = re.search(r"\b[0-9]{6}\b", message.text)
    assert found is not None, message.text
    return found[0]


class _Slow:
    """aiosmtpd's handler of a mail server that thinks about each message, then takes it."""

    def __init__(self, mailbox: Mailbox, seconds: float) -> None:
        self._mailbox = mailbox
        self._seconds = seconds

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self._seconds)
        recipients = [str(each) for each in envelope.rcpt_tos]
        content = envelope.original_content or b""
        return f"250 {self._mailbox.keep(str(envelope.mail_from), recipients, content)}"


@contextmanager
def slow(folder: Path, *, seconds: float) -> Iterator[Mailbox]:
    """Take the mail of this process until the block ends, each message after a while."""
    mailbox = Mailbox(folder)
    port = Ports(usual=False).take(0)
    controller = Controller(_Slow(mailbox, seconds), hostname=LOOPBACK, port=port)
    controller.start()
    before = settings.current()
    settings.install(replace(before, smtp_url=f"smtp://{LOOPBACK}:{port}"))
    try:
        yield mailbox
    finally:
        settings.install(replace(settings.current(), smtp_url=before.smtp_url))
        controller.stop()
