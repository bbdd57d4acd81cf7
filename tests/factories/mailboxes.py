"""A mail server of the test's own, over real SMTP."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pettycash import settings
from pettycash.stack.mailbox.sink import Sink
from pettycash.stack.mailbox.store import Mailbox
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
