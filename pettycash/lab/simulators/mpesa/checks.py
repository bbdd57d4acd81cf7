"""Synchronous checks of what a business call carries: sections 3.1, 4 and 6."""

import json
import re
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from pettycash.lab.simulators.mpesa.answers import Answer, invalid_field, invalid_payload
from pettycash.lab.simulators.mpesa.configuration import Configuration

FORBIDDEN_WORDS = ("m-pesa", "mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
BLOCKED_HOSTS = ("ngrok", "mockbin", "requestbin")
COMMANDS = frozenset({"SalaryPayment", "BusinessPayment", "PromotionPayment"})

_AMOUNT = re.compile(r"[1-9][0-9]{0,11}")
_PHONE = re.compile(r"254[17][0-9]{8}")
_SHORTCODE = re.compile(r"[0-9]{5,7}")
_IDENTIFIER = re.compile(r"[\x21-\x7e]+")

_PAYMENT_REQUIRED = (
    "OriginatorConversationID",
    "InitiatorName",
    "SecurityCredential",
    "CommandID",
    "Amount",
    "PartyA",
    "PartyB",
    "Remarks",
    "QueueTimeOutURL",
    "ResultURL",
)
_PAYMENT_KEYS = frozenset({*_PAYMENT_REQUIRED, "Occassion", "IDType", "IDNumber"})
_QUERY_REQUIRED = (
    "Initiator",
    "SecurityCredential",
    "CommandID",
    "PartyA",
    "IdentifierType",
    "ResultURL",
    "QueueTimeOutURL",
    "Remarks",
)
_QUERY_KEYS = frozenset({*_QUERY_REQUIRED, "TransactionID", "OriginalConversationID", "Occasion"})

Body = Mapping[str, object]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key stands twice")
    return keys


def read_object(raw: bytes) -> Body | None:
    """The JSON object in `raw`; None for anything else, repeated keys and NaN included."""
    try:
        value = json.loads(
            raw.decode(), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
        )
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(body: Body | None, key: str) -> str:
    """The value of `key` where it is text or a whole number; otherwise an empty string."""
    value = None if body is None else body.get(key)
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else ""


def _is_url(value: object) -> bool:
    if not isinstance(value, str) or len(value) > 2_000 or not _IDENTIFIER.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    plain = unquote(value).lower()
    if any(word in plain for word in FORBIDDEN_WORDS):
        return False
    return not any(blocked in host for blocked in BLOCKED_HOSTS)


def _is_text(value: object, *, least: int, most: int) -> bool:
    return isinstance(value, str) and least <= len(value) <= most


def _is_identifier(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and bool(_IDENTIFIER.fullmatch(value))


def _shape(body: Body, required: tuple[str, ...], known: frozenset[str]) -> Answer | None:
    if set(body) - known:
        return invalid_payload()
    for field in required:
        if body.get(field) in (None, ""):
            return invalid_field(field)
    return None


def payment_refusal(body: Body | None, configuration: Configuration) -> Answer | None:
    """Why a B2C request is refused before acceptance; None where every field is in order."""
    if body is None:
        return invalid_payload()
    refused = _shape(body, _PAYMENT_REQUIRED, _PAYMENT_KEYS)
    if refused is not None:
        return refused
    occasion = body.get("Occassion")
    verdicts = {
        "OriginatorConversationID": _is_identifier(
            body["OriginatorConversationID"], configuration.originator_id_max
        ),
        "InitiatorName": _is_text(body["InitiatorName"], least=1, most=100),
        "SecurityCredential": _is_text(body["SecurityCredential"], least=1, most=2_000),
        "CommandID": text_of(body, "CommandID") in COMMANDS,
        "Amount": bool(_AMOUNT.fullmatch(text_of(body, "Amount"))),
        "PartyA": bool(_SHORTCODE.fullmatch(text_of(body, "PartyA"))),
        "PartyB": bool(_PHONE.fullmatch(text_of(body, "PartyB"))),
        "Remarks": _is_text(body["Remarks"], least=2, most=100),
        "QueueTimeOutURL": _is_url(body["QueueTimeOutURL"]),
        "ResultURL": _is_url(body["ResultURL"]),
        "Occassion": occasion is None or _is_text(occasion, least=0, most=100),
    }
    return _first_refusal(verdicts)


def query_refusal(body: Body | None) -> Answer | None:
    """Why a transaction status query is refused before acceptance; None where it is in order."""
    if body is None:
        return invalid_payload()
    refused = _shape(body, _QUERY_REQUIRED, _QUERY_KEYS)
    if refused is not None:
        return refused
    verdicts = {
        "Initiator": _is_text(body["Initiator"], least=1, most=100),
        "SecurityCredential": _is_text(body["SecurityCredential"], least=1, most=2_000),
        "CommandID": body["CommandID"] == "TransactionStatusQuery",
        "PartyA": bool(_SHORTCODE.fullmatch(text_of(body, "PartyA"))),
        "IdentifierType": text_of(body, "IdentifierType") in ("1", "2", "4"),
        "ResultURL": _is_url(body["ResultURL"]),
        "QueueTimeOutURL": _is_url(body["QueueTimeOutURL"]),
        "Remarks": _is_text(body["Remarks"], least=2, most=100),
        **{
            field: _is_text(body.get(field) or "", least=0, most=200)
            for field in ("TransactionID", "OriginalConversationID", "Occasion")
        },
    }
    return _first_refusal(verdicts)


def _first_refusal(verdicts: Mapping[str, bool]) -> Answer | None:
    for field, fine in verdicts.items():
        if not fine:
            return invalid_field(field)
    return None
