"""Reading JSON that others wrote: every byte sequence has an answer, and none raises."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

# generous for money, and small enough that no arithmetic on it can run away
NUMBER_DIGITS_MAX = 18
_PLAIN_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?", re.ASCII)


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that the bytes hold, numbers with a fraction as Decimal; else None.

    None too where one object names a key twice with different values, or where a number is NaN
    or infinite: what can be read in two ways proves nothing.
    """
    try:
        parsed = json.loads(
            body,
            parse_float=_decimal,
            parse_constant=_refuse,
            object_pairs_hook=_unambiguous,
        )
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def amount_of(value: object) -> Decimal | None:
    """A positive amount with at most two decimals that count, as number or text; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        amount = Decimal(value) if 0 < value < 10**15 else None
    elif isinstance(value, Decimal):
        amount = value
    elif isinstance(value, str) and _PLAIN_DECIMAL.fullmatch(value.strip()):
        amount = Decimal(value.strip())
    else:
        return None
    if amount is None or not amount.is_finite() or amount <= 0:
        return None
    if amount.adjusted() > NUMBER_DIGITS_MAX - 3 or amount.as_tuple().exponent not in range(-9, 16):
        return None
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount else None


def word_of(value: object, *, length_max: int = 64) -> str | None:
    """A code or an id as text: printable ASCII of bounded length, from text or whole number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        if abs(value) >= 10**length_max:
            return None
        value = str(value)
    if not isinstance(value, str):
        return None
    word = value.strip()
    if not word or len(word) > length_max or not word.isascii() or not word.isprintable():
        return None
    return word


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("a number out of all bounds") from error
    if not number.is_finite():
        raise ValueError("a number out of all bounds")
    return number


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            raise ValueError("one key, two values")
        found[name] = value
    return found
