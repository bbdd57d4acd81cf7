"""Sanitising gateway exchanges: no credentials, callback secrets or full phone numbers are kept.

Two uses with different strictness. `sanitise` makes JSON for the gateway exchange log, which people
read. `cut_secrets` leaves everything but credentials in place, since a stored callback is read
again when it is processed and its payee is then compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from pettycash.runtime.wire import read_object

CUT = "[cut]"
TEXT_MAX = 2000
ITEMS_MAX = 200
DEPTH_MAX = 12

SECRET_NAMES = frozenset(
    {
        "securitycredential",
        "authorization",
        "password",
        "passkey",
        "initiatorpassword",
        "accesstoken",
        "refreshtoken",
        "token",
        "apikey",
        "secret",
        "clientsecret",
        "consumerkey",
        "consumersecret",
        "pin",
    }
)
"""Names of fields whose values are never kept; compared without case, `_`, `-` and blanks."""

_NAME = (
    rb"security[ _-]?credential|authorization|(?:initiator[ _-]?)?password|passkey"
    rb"|(?:access[ _-]?|refresh[ _-]?)?token|api[ _-]?key|(?:client|consumer)?[ _-]?secret"
    rb"|consumer[ _-]?key|pin"
)
_JSON_SECRET = re.compile(
    rb'("(?:' + _NAME + rb')"\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^\s",\[\]{}]+)',
    re.IGNORECASE | re.DOTALL,
)
_FORM_SECRET = re.compile(rb"((?:^|[&?\s])(?:" + _NAME + rb")=)[^&\s]+", re.IGNORECASE)
_XML_SECRET = re.compile(rb"(<(?:" + _NAME + rb")>)[^<]*", re.IGNORECASE)
# slashes may come escaped, as some JSON writers do
_CALLBACK_SECRET = re.compile(
    rb"(\\?/api\\?/callbacks\\?/[0-9A-Za-z]+\\?/)[0-9A-Za-z]+", re.IGNORECASE
)
_CALLBACK_SECRET_TEXT = re.compile(_CALLBACK_SECRET.pattern.decode(), re.IGNORECASE)

# E.164 numbers, those of the countries served without their plus too, and Kenyan ones in national
# form; a form spells + as %2B. Ids are found first and left as they are: the end of one may look
# like a number.
_PHONE = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?:(?<![0-9A-Za-z])|(?<=%2[Bb]))"
    r"(?:\+[1-9][0-9]{7,14}|25[0456][0-9]{9}|0[17][0-9]{8})(?![0-9A-Za-z])"
)
_OWN_TOKEN = re.compile(r"\bpc_(at|rt|key)_[A-Za-z0-9_-]+")
_PASSWORD_IN_URL = re.compile(r"(://[^/@\s:]*:)[^/@\s]+(?=@)")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
_ECHOED_TOKEN = re.compile(r"(invalid access token\s*[-:]\s*)\S+", re.IGNORECASE)
# what PostgreSQL's jsonb refuses: NUL and halves of surrogate pairs
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def mask_phone(number: str) -> str:
    """All but the last three digits as asterisks."""
    return "*" * max(len(number) - 3, 0) + number[-3:]


def sanitise_text(text: str, secrets: Collection[str] = (), *, longest: int = TEXT_MAX) -> str:
    """Text without credentials, callback secrets and full phone numbers, of bounded length."""
    for secret in secrets:
        if len(secret) >= 4:  # shorter ones would blank out half of any text
            text = text.replace(secret, CUT)
    text = _BEARER.sub(rf"\1 {CUT}", text)
    text = _ECHOED_TOKEN.sub(rf"\1{CUT}", text)
    text = _CALLBACK_SECRET_TEXT.sub(rf"\1{CUT}", text)
    text = _OWN_TOKEN.sub(rf"pc_\1_{CUT}", text)
    text = _PASSWORD_IN_URL.sub(rf"\1{CUT}", text)
    text = _PHONE.sub(lambda found: found[0] if "-" in found[0] else mask_phone(found[0]), text)
    text = _UNSTORABLE.sub("\ufffd", text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def sanitise(value: Any, secrets: Collection[str] = (), *, depth: int = 0) -> Any:
    """The same for any JSON value; decimals become strings, what is too deep or long is cut."""
    if depth > DEPTH_MAX:
        return CUT
    if isinstance(value, Mapping):
        return {
            sanitise_text(str(name), secrets): (
                CUT
                if _plain(str(name)) in SECRET_NAMES
                else sanitise(inner, secrets, depth=depth + 1)
            )
            for name, inner in list(value.items())[:ITEMS_MAX]
        }
    if isinstance(value, (list, tuple)):
        return [sanitise(inner, secrets, depth=depth + 1) for inner in value[:ITEMS_MAX]]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        text = sanitise_text(str(value), secrets)
        return value if text == str(value) and abs(value) < 2**53 else text
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (Decimal, float)):
        return sanitise_text(str(value))
    return sanitise_text(str(value), secrets)


def sanitise_body(body: bytes, secrets: Collection[str] = ()) -> dict[str, Any] | None:
    """A body for the gateway exchange log; None for no body, {"raw": …} for no JSON object."""
    if not body:
        return None
    cut = cut_secrets(body)
    parsed = read_object(cut)
    if parsed is not None:
        clean: dict[str, Any] = sanitise(parsed, secrets)
        return clean
    return {"raw": sanitise_text(cut[: 4 * TEXT_MAX].decode("utf-8", "replace"), secrets)}


def cut_secrets(body: bytes) -> bytes:
    """A callback's body with the values of credentials cut out and everything else in place.

    Works on bytes, so that what is no JSON comes through too. JSON stays JSON.
    """
    body = _JSON_SECRET.sub(rb'\1"' + CUT.encode() + rb'"', body)
    body = _FORM_SECRET.sub(rb"\1" + CUT.encode(), body)
    body = _XML_SECRET.sub(rb"\1" + CUT.encode(), body)
    return _CALLBACK_SECRET.sub(rb"\1" + CUT.encode(), body)


def _plain(name: str) -> str:
    return re.sub(r"[ _-]", "", name).lower()
