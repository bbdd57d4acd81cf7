"""Refused passwords: too short, too common, or made of the person's own names and units.

No composition rules, no expiry, any character, checked in NFKC, otherwise as typed (security.md
row 1; NIST SP 800-63B-4 §3.1.1.2: 15 characters, or 8 beside a second factor).
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

from pettycash.runtime import errors, settings
from pettycash.services.foundation import encryption

LENGTH_MAX = 128
WORDS = Path(__file__).with_name("common_words.txt")
PRODUCT_WORDS = ("pettycash", "petty", "cash", "mpesa", "imprest", "payment", "float")
CONTEXT_WORD_MIN = 4

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "abcdefghijklmnopqrstuvwxyz")
LOOK_ALIKES = str.maketrans("@4831!05$7|", "aabeiiosstl")


class PasswordTooShort(errors.RuleViolation):
    """A password needs at least 15 characters; 8 beside a second factor."""

    code = "password.too_short"


class PasswordTooLong(errors.RuleViolation):
    """A password may have at most 128 characters."""

    code = "password.too_long"


class PasswordTooCommon(errors.RuleViolation):
    """The password is too easy to guess; use several unrelated words."""

    code = "password.too_common"


class PasswordUnchanged(errors.RuleViolation):
    """The new password must differ from the old one."""

    code = "password.unchanged"


def check(text: str, *, has_second_factor: bool, context: Iterable[str]) -> None:
    """Refuse a weak new password. `context`: names of the person, company and places.

    Raises:
        PasswordTooShort, PasswordTooLong, PasswordTooCommon.
    """
    text = encryption.normal(text)
    limits = settings.current()
    shortest = (
        limits.password_with_mfa_length_min if has_second_factor else limits.password_length_min
    )
    if len(text) < shortest:
        raise PasswordTooShort(errors={"new_password": [f"At least {shortest} characters."]})
    if len(text) > LENGTH_MAX:
        raise PasswordTooLong(errors={"new_password": [f"At most {LENGTH_MAX} characters."]})
    if is_common(text, context):
        raise PasswordTooCommon(errors={"new_password": ["Too easily guessed."]})


def is_common(text: str, context: Iterable[str] = ()) -> bool:
    """Whether nothing but one common word, or a row of keys, stands behind the decoration.

    A password is taken apart into common words, words of the context, numbers, signs, rows of keys
    and repetitions. Where that explains all of it with one common word at most, it is refused;
    words of the context are no secret, however many there are.
    """
    known = {
        word
        for phrase in (*context, *PRODUCT_WORDS)
        for word in re.split(r"[\W_]+", phrase.casefold())
        if len(word) >= CONTEXT_WORD_MIN
    }
    return _explained(text.casefold(), _words() - known, known)


def _explained(text: str, words: Collection[str], known: Collection[str]) -> bool:
    """Whether the text falls apart into decoration, known words, and one different word at most."""
    alike = text.translate(LOOK_ALIKES)
    longest = max(map(len, (*words, *known)))
    # position → the words that may have led there; with a second one it is explained no more
    reached: dict[int, set[str | None]] = {0: {None}}
    for start in range(len(text)):
        for used in reached.get(start, ()):
            for end in _decorations(text, start):
                reached.setdefault(end, set()).add(used)
            for end in range(start + 3, min(start + longest, len(text)) + 1):
                for piece in (text[start:end], alike[start:end]):
                    if piece in known:
                        reached.setdefault(end, set()).add(used)
                    elif piece in words and used in (None, piece):
                        reached.setdefault(end, set()).add(piece)
    return len(text) in reached


def _decorations(text: str, start: int) -> Iterable[int]:
    """Where a sign, a digit, a repetition or a row of keys that begins here may end."""
    if not text[start].isalpha():
        yield start + 1
    run = start + 1
    while run < len(text) and text[run] == text[start]:
        run += 1
    if run - start >= 3:
        yield run
    for length in range(4, len(text) - start + 1):
        piece = text[start : start + length]
        if not any(piece in row or piece[::-1] in row for row in KEYBOARD):
            break
        yield start + length


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return frozenset(
        word for line in lines if not line.startswith("#") for word in line.split() if len(word) > 2
    )
