"""One account, however its name is spelt: who looks for a name looks for `spelling(name)`."""

import re
import unicodedata

from pettycash.runtime import errors

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]", re.ASCII)

UNSEEN = ("C", "Z")
"""Unicode's categories of blanks, controls and marks that nobody sees."""


class InvalidPerson(errors.RuleViolation):
    """The username, e-mail or phone number can't be used."""

    code = "user.invalid"


def spelling(text: str) -> str:
    """The one spelling of a name that somebody typed: NFKC, case folded, nothing unseen in it."""
    return "".join(
        each for each in _folded(text) if not unicodedata.category(each).startswith(UNSEEN)
    )


def checked(text: str) -> str:
    """The spelling of a new name. Blanks and what nobody sees are refused, not left out.

    Raises:
        InvalidPerson: too short or long, or other characters than those.
    """
    name = _folded(text)
    if USERNAME.fullmatch(name) is None:
        raise InvalidPerson(
            errors={"username": ["3 to 64 letters, digits, dots, hyphens and underscores."]}
        )
    return name


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
