"""Identifiers and dates in the forms of section 16 of the Daraja reference."""

import secrets
import string
from datetime import UTC, datetime, timedelta, timezone

EAST_AFRICA = timezone(timedelta(hours=3), "EAT")  # no daylight saving

_DAYS = string.digits + string.ascii_uppercase
_RECEIPT_LETTERS = string.ascii_uppercase + string.digits
_RECEIPT_EPOCH = 2006  # the year of the letter A: receipts of 2024 begin with S


def now() -> datetime:
    return datetime.now(UTC)


def conversation_id(at: datetime) -> str:
    """`AG_20240706_20106e9209f64bebd05b`"""
    return f"AG_{at.astimezone(EAST_AFRICA):%Y%m%d}_{secrets.token_hex(10)}"


def gateway_id() -> str:
    """`16740-34861180-1`: what the gateway calls a request that brought no id of its own."""
    return f"{10_000 + secrets.randbelow(90_000)}-{10_000_000 + secrets.randbelow(90_000_000)}-1"


def request_id() -> str:
    """`1c5b-4ba8-815c-ac45c57a3db01469899`"""
    text = secrets.token_hex(12)
    tail = 1_000_000 + secrets.randbelow(9_000_000)
    return f"{text[:4]}-{text[4:8]}-{text[8:12]}-{text[12:]}{tail}"


def _receipt_prefix(at: datetime) -> str:
    day = at.astimezone(EAST_AFRICA)
    year = string.ascii_uppercase[(day.year - _RECEIPT_EPOCH) % 26]
    return year + string.ascii_uppercase[day.month - 1] + _DAYS[day.day]


def receipt(at: datetime) -> str:
    """`SG632NMUAB`: year, month, day, then seven characters of chance."""
    tail = "".join(secrets.choice(_RECEIPT_LETTERS) for _ in range(7))
    return _receipt_prefix(at) + tail


def generic_receipt(at: datetime) -> str:
    """`OAK0000000`: stands where no financial transaction came to be."""
    return _receipt_prefix(at) + "0000000"


def compact_time(at: datetime) -> str:
    """`20180223054112`, East Africa Time without saying so."""
    return f"{at.astimezone(EAST_AFRICA):%Y%m%d%H%M%S}"


def dotted_time(at: datetime) -> str:
    """`06.07.2024 22:48:52`, East Africa Time without saying so."""
    return f"{at.astimezone(EAST_AFRICA):%d.%m.%Y %H:%M:%S}"


def iso(at: datetime) -> str:
    """UTC with microseconds: for the simulator's own pages, never on the Daraja wire."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)
