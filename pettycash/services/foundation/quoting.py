"""A text that people wrote, on a line of a message, so that nothing in it can look like ours.

Names come from people, so what could move, hide or break a line is shown as its code, and a name
stands in quotation marks: nothing that is written in it can look like another line.
"""

import unicodedata

UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Fillers and joiners that are letters or marks, but leave no ink."""


def quoted(text: str) -> str:
    """A text on one line, in quotation marks, with everything that can't be seen as its code."""
    return '"' + "".join(_shown(each) for each in text) + '"'


def plain(text: str) -> str:
    """The same without quotation marks, for what is no free text."""
    return "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if not _is_seen(character):
        return (
            f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
        )
    return character


def _is_seen(character: str) -> bool:
    category = unicodedata.category(character)
    if category in UNSEEN_CATEGORIES or character in UNSEEN:
        return False
    if category == "Zs":
        return character == " "
    # Variation selectors: marks that change what stands before them.
    return not ("\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef")
