"""Messages as .eml files, one each, named so that they sort by arrival."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

KEPT_MAX = 1000
"""Older messages go when newer ones come."""

FROM_HEADER, TO_HEADER, AT_HEADER = "X-Envelope-From", "X-Envelope-To", "X-Received-At"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as it was received; `to` are the recipients of the envelope."""

    id: str
    received_at: str
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """As /messages.json shows it."""
        return asdict(self) | {"to": list(self.to)}


class Mailbox:
    """A folder of messages. One process writes, any number read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Store one message and return its id."""
        now = datetime.now(UTC)
        key = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        envelope = "".join(
            f"{name}: {_one_line(value)}\r\n"
            for name, value in (
                (FROM_HEADER, sender),
                (TO_HEADER, ", ".join(recipients)),
                (AT_HEADER, now.isoformat(timespec="milliseconds")),
            )
        )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.folder / f"{key}.new"
        fresh.touch(mode=0o600)
        fresh.write_bytes(envelope.encode("utf-8") + content)
        fresh.rename(self.folder / f"{key}.eml")
        for old in self._files()[:-KEPT_MAX]:
            old.unlink(missing_ok=True)
        return key

    def messages(self, to: str = "", limit: int = 200) -> list[Message]:
        """The newest messages first, all or those to one address."""
        found: list[Message] = []
        for file in reversed(self._files()):
            if len(found) >= limit:
                break
            try:
                message = _read(file)
            except FileNotFoundError:  # pruned meanwhile
                continue
            if not to or to.casefold() in (each.casefold() for each in message.to):
                found.append(message)
        return found

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.eml"))


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _read(file: Path) -> Message:
    parsed = message_from_bytes(file.read_bytes(), policy=policy.default)
    return Message(
        id=file.stem,
        received_at=str(parsed.get(AT_HEADER, "")),
        sender=str(parsed.get(FROM_HEADER, "")),
        to=tuple(each.strip() for each in str(parsed.get(TO_HEADER, "")).split(",") if each),
        subject=str(parsed.get("Subject", "")),
        text=_text(parsed),
    )


def _text(parsed: EmailMessage) -> str:
    body = parsed.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    try:
        content = body.get_content()
    except (LookupError, ValueError):  # an unknown charset or a broken encoding
        content = body.get_payload()
    return str(content).replace("\r\n", "\n").strip()
