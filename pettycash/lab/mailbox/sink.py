"""The SMTP side: takes every message, relays none."""

import logging
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from pettycash.lab.mailbox.store import Mailbox
from pettycash.stack.ports import LOOPBACK

MESSAGE_BYTES_MAX = 1_000_000

logger = logging.getLogger(__name__)


class _Keeper:
    """aiosmtpd's handler: what arrives is kept."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        recipients = [str(each) for each in envelope.rcpt_tos]
        key = self._mailbox.keep(str(envelope.mail_from or ""), recipients, content)
        logger.info("message kept", extra={"message_id": key})
        return f"250 kept as {key}"


class Sink:
    """An SMTP server in a thread of its own."""

    def __init__(self, port: int, mailbox: Mailbox) -> None:
        options: dict[str, Any] = {"data_size_limit": MESSAGE_BYTES_MAX, "ident": "pettycash"}
        self._controller = Controller(_Keeper(mailbox), hostname=LOOPBACK, port=port, **options)

    def start(self) -> None:
        """Listen; returns when it does."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening."""
        self._controller.stop()
