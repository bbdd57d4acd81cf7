"""Free text that people write: trimmed, of bounded length, and such that it can be stored."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from pettycash.runtime import errors

REASON_MAX = 1000
METADATA_BYTES_MAX = 4096
NAME_MAX = 200

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""Fillers, selectors and blanks that Unicode counts as letters, marks or symbols."""
UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
"""Control, format and bidirectional characters, line ends, and what no font agrees on."""
EMOJI_MARKS = frozenset("\u200d\ufe0e\ufe0f")
"""Characters that join emoji and choose their look; visible after one, invisible alone."""
ONE_WRITING = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that stand together in a name as a matter of course."""


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


def name(text: str | None, *, field: str, longest: int = NAME_MAX) -> str:
    """The name of a person, unit, payee or file, trimmed and else as it was given.

    Names are quoted in messages and on lines of their own, so nothing in one ends a line, turns
    the direction of reading or is not seen (control.md §3).

    Raises:
        InvalidText: blank, longer than `longest` characters, or with such a character.
    """
    check_name((text or "").strip(), field=field)
    return required(text, field=field, longest=longest)


def check_name(text: str, *, field: str) -> None:
    """Refuse characters that a reader of a name does not see.

    Raises:
        InvalidText: there is one; its code point is named.
    """
    before = ""
    for each in text:
        if each in EMOJI_MARKS and before == "So":
            continue
        before = unicodedata.category(each).replace("Sk", "So")
        if before in UNSEEN or INVISIBLE.match(each):
            raise _refused(
                field,
                f"It holds U+{ord(each):04X}, a character that is not seen or breaks the line.",
            )


def mixes_scripts(text: str) -> bool:
    """Whether letters of several scripts stand in a name, as where one imitates another.

    Readers are told; it is refused nowhere, since people do have such names.
    """
    scripts = {
        unicodedata.name(each, "").partition(" ")[0]
        for each in text
        if unicodedata.category(each) in {"Lu", "Ll", "Lt", "Lo"}
    }
    return len(scripts) > 1 and not scripts <= ONE_WRITING


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
