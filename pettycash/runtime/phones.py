"""Phone numbers: one rule for how people write them, whether it is theirs or money goes there.

Written with blanks, dots, hyphens of any kind or brackets, with +, 00 or `tel:` in front, with the
invisible marks that an address book puts around them. Nothing else is guessed at: letters and
extensions are refused.
"""

import re
import unicodedata
from collections.abc import Mapping

import phonenumbers

from pettycash.runtime.money import Currency

HOME_OF: Mapping[Currency, str | None] = {
    Currency.KES: "KE",
    Currency.TZS: "TZ",
    Currency.UGX: "UG",
    Currency.RWF: "RW",
    Currency.USD: None,
}
"""Where a number without a country code lives; dollars have no home."""

LONGEST = 40
MINUS = "\u2212"
_DIALABLE = re.compile(r"\+?[0-9 ()./-]+", re.ASCII)


class NotAPhone(ValueError):
    """This is no phone number; the text says why, without the number."""


def spelt(raw: str, *, home: str | None) -> str:
    """The one spelling, +254712345678. It may still be a number that nobody can have.

    Raises:
        NotAPhone: it can't be read as a number.
    """
    text = _plain(raw)
    if len(text) > LONGEST or _DIALABLE.fullmatch(text) is None:
        raise NotAPhone("A phone number is digits, such as 0712345678.")
    try:
        number = phonenumbers.parse(text, home)
    except phonenumbers.NumberParseException as error:
        raise NotAPhone("This is no phone number.") from error
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def e164(raw: str, *, home: str | None) -> str:
    """The one spelling of a number that can exist.

    Raises:
        NotAPhone: it can't be read as a number, or no such number can exist.
    """
    found = spelt(raw, home=home)
    if not phonenumbers.is_valid_number(phonenumbers.parse(found, None)):
        raise NotAPhone("This phone number can't exist.")
    return found


def _plain(raw: str) -> str:
    """Digits and what stands between them, in ASCII; 00 (in Kenya 000) in front becomes +."""
    written = []
    for each in unicodedata.normalize("NFKC", raw):
        kind = unicodedata.category(each)
        if kind == "Cf":
            continue
        is_hyphen = kind == "Pd" or each == MINUS
        written.append(" " if each.isspace() else "-" if is_hyphen else each)
    text = re.sub(r"\Atel: *", "", "".join(written).strip(), flags=re.IGNORECASE)
    return re.sub(r"\A000?[ -]*(?=[1-9])", "+", text)
