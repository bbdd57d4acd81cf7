"""Free text that people write: trimmed, of bounded length, and such that it can be stored."""

import json
from collections.abc import Mapping
from typing import Any

from pettycash import errors

REASON_MAX = 1000
METADATA_BYTES_MAX = 4096


class InvalidText(errors.RuleViolation):
    """A text is missing, too long, or holds characters that can't be stored."""

    code = "request.invalid_text"


def required(text: str | None, *, field: str, longest: int = REASON_MAX) -> str:
    """The text, trimmed.

    Raises:
        InvalidText: blank, longer than `longest` characters, or with control characters.
    """
    found = optional(text, field=field, longest=longest)
    if found is None:
        raise _refused(field, "It can't be empty.")
    return found


def optional(text: str | None, *, field: str, longest: int = REASON_MAX) -> str | None:
    """The text, trimmed; null where nothing is left.

    Raises:
        InvalidText: longer than `longest` characters, or with control characters.
    """
    trimmed = (text or "").strip()
    if len(trimmed) > longest:
        raise _refused(field, f"It has at most {longest} characters.")
    if any(_unstorable(each) for each in trimmed):
        raise _refused(field, "It holds characters that can't be stored.")
    return trimmed or None


def metadata(value: Mapping[str, Any], *, field: str = "metadata") -> dict[str, Any]:
    """A client's own JSON object, as it is.

    Raises:
        InvalidText: more than 4 KiB, or text that can't be stored.
    """
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise _refused(field, "It holds values that can't be stored.") from error
    if len(written) > METADATA_BYTES_MAX:
        raise _refused(field, f"It has at most {METADATA_BYTES_MAX} bytes.")
    if b"\\u0000" in written:
        raise _refused(field, "It holds characters that can't be stored.")
    return dict(value)


def _unstorable(character: str) -> bool:
    """Control characters but tab and line ends, and halves of surrogate pairs."""
    return (character < " " and character not in "\t\r\n") or "\ud800" <= character <= "\udfff"


def _refused(field: str, message: str) -> InvalidText:
    return InvalidText(f"{field}: {message}", errors={field: [message]})
