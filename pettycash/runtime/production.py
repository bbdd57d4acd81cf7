"""Settings that production refuses to start with, one by one.

The numbers are those of our security requirements: a setting may be stricter, never weaker. Each
refusal is the rest of a sentence that begins with the name of the setting.
"""

import base64
import ipaddress
import math
import re
import socket
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from itertools import pairwise

from pettycash.runtime.settings import Settings

BOUNDS: Mapping[str, tuple[float, float]] = {
    "password_length_min": (15, 64),
    "password_with_mfa_length_min": (8, 64),
    "hashes_at_once": (1, 16),
    "hash_memory_kib": (19_456, 1_048_576),
    "hash_rounds": (2, 20),
    "hash_lanes": (1, 16),
    "login_per_address_per_minute": (1, 20),
    "login_per_account_per_minute": (1, 10),
    "otp_per_person_per_minute": (1, 5),
    "writes_per_person_per_minute": (1, 600),
    "reads_per_person_per_minute": (1, 6_000),
    "access_token_minutes": (1, 30),
    "session_idle_minutes": (1, 30),
    "session_hours": (1, 12),
    "session_hours_treasury": (1, 8),
    "code_lifetime_seconds": (30, 600),
    "code_tries_max": (1, 5),
    "code_sends_max": (1, 3),
    "code_sends_window_seconds": (900, 86_400),
    "failed_codes_max": (1, 3),
    "failed_codes_window_seconds": (3_600, 604_800),
    "grant_lifetime_seconds": (30, 600),
    "statement_timeout_seconds": (0.1, 5),
    "lock_timeout_seconds": (0.1, 2),
    "idle_in_transaction_timeout_seconds": (0.1, 10),
    "rail_connect_timeout_seconds": (0.1, 3),
    "rail_read_timeout_seconds": (0.1, 10),
    "rail_total_timeout_seconds": (0.1, 15),
    "trusted_proxies": (0, 10),
}
"""Setting → the least and the most that it may be. All other numbers are more than 0."""

DEVELOPMENT_ONLY = ("clock_shift_seconds", "crash_at", "simulator_mpesa_url", "mailbox_url")
REQUIRED = (
    "database_url", "redis_url", "smtp_url", "mail_from", "callback_base_url",
    "secret_keys", "otp_key", "callback_key", "cursor_key",
)  # fmt: skip
"""Settings without which production does not start."""

KEYS = ("secret_keys", "otp_key", "callback_key", "cursor_key")
KEY_LENGTH_MIN = 32
DISTINCT_BYTES_MIN = 12
"""Of a key; 16 random bytes have fewer once in a million times, 32 never."""

LOCAL_SUFFIXES = (".localhost", ".localdomain", ".local", ".internal", ".lan", ".home.arpa")
GUESSABLE = re.compile(
    rb"(?i)change.?me|example|password|secret|default|insecure|placeholder|pettycash|demo|"
    rb"tests?[-_. ]|dummy|sample"
)
ADDRESS = re.compile(r"[^@\s<>]+@([^@\s<>]+)")


def refusals(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting that production can't start with, and what is wrong."""
    for name in REQUIRED:
        if not getattr(settings, name):
            yield name, "must be set"
    for name in DEVELOPMENT_ONLY:
        if getattr(settings, name):
            yield name, "is refused in production"
    yield from _numbers(settings)
    yield from _keys(settings)
    yield from _addresses(settings)
    yield from _brokers(settings)
    yield from _messages(settings)


def _numbers(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in (each.name for each in fields(Settings)):
        value = getattr(settings, name)
        if name in DEVELOPMENT_ONLY or not isinstance(value, int | float | Decimal):
            continue
        least, most = BOUNDS.get(name, (0, math.inf))
        if name in BOUNDS and not least <= value <= most:
            yield name, f"must be from {least:g} to {most:g} in production and is {value}"
        elif name not in BOUNDS and not (math.isfinite(value) and value > 0):
            yield name, f"must be a number above 0 and is {value}"


def _keys(settings: Settings) -> Iterator[tuple[str, str]]:
    seen: dict[bytes, str] = {}
    for name in KEYS:
        value = getattr(settings, name)
        for key in filter(None, value if isinstance(value, tuple) else (value,)):
            material, is_encoded = _material(key)
            if len(key) < KEY_LENGTH_MIN:
                yield name, f"must be {KEY_LENGTH_MIN} characters or more"
            elif _is_guessable(material, is_encoded):
                yield name, "is a demo value or too regular to be a secret: it must be random"
            if material in seen:
                yield name, f"repeats a key of {seen[material]}: each needs a value of its own"
            seen[material] = name


def _material(key: str) -> tuple[bytes, bool]:
    """The bytes that a key stands for, and whether it is an encoding of them."""
    try:
        return bytes.fromhex(key), True
    except ValueError:
        pass
    try:
        decoded = base64.urlsafe_b64decode(key)
    except ValueError:
        return key.encode(), False
    return (decoded, True) if key.endswith("=") else (key.encode(), False)


def _is_guessable(material: bytes, is_encoded: bool) -> bool:
    """Whether a person wrote it: words, repetitions, rows of neighbours."""
    if len(set(material)) < DISTINCT_BYTES_MIN or (material * 2).find(material, 1) < len(material):
        return True
    steps = Counter(after - before for before, after in pairwise(material))
    if steps.most_common(1)[0][1] > len(material) // 2:
        return True
    is_text = all(32 <= each < 127 for each in material)
    return is_text and (is_encoded or bool(GUESSABLE.search(material)))


def is_public_host(host: str) -> bool:
    """Whether a host can be reached from elsewhere: no private address, however it is written."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_global and not address.is_multicast
    try:
        socket.inet_aton(host)
    except OSError:
        return "." in host and not host.endswith(LOCAL_SUFFIXES)
    return False  # 127.1, 0x7f000001, 2130706433: no name of anybody's


def _parts(url: str) -> urllib.parse.SplitResult:
    """A URL's parts; those of an empty one where it can't be read."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        return urllib.parse.urlsplit("")
    return parts


def _public_https(url: str) -> str:
    """The reason why a URL is no public https address; empty where it is one."""
    parts = _parts(url)
    if parts.scheme != "https":
        return "must begin with https://"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must be an address without user, query or fragment"
    if not is_public_host(parts.hostname or ""):
        return f"must name a public host, which {parts.hostname!r} is not"
    return ""


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in ("callback_base_url", "api_url", "sms_url"):
        url = getattr(settings, name)
        if name == "api_url" and url == settings.callback_base_url:
            continue
        reason = _public_https(url) if url else ""
        if reason:
            yield name, reason
    if not any(settings.rail_hosts):
        yield "rail_hosts", "must name the hosts that rails are called on"
    for host in filter(None, settings.rail_hosts):
        reason = _public_https(host if "://" in host else f"https://{host}")
        if reason:
            yield "rail_hosts", f"holds {host!r}, which {reason}"


def _brokers(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in ("redis_url", "broker_url"):
        url = getattr(settings, name)
        if not url or (name == "broker_url" and url == settings.redis_url):
            continue
        parts = _parts(url)
        if not parts.password or parts.password == "guest":  # noqa: S105 - RabbitMQ's default
            yield name, "must carry a password"
        if parts.scheme in ("redis", "amqp") and not _is_beside_us(parts.hostname or ""):
            yield (
                name,
                f"must begin with {parts.scheme}s:// (TLS), as its server is on another host",
            )


def _is_beside_us(host: str) -> bool:
    """Loopback, or a name without a dot: a service on the same private network of containers."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host


def _messages(settings: Settings) -> Iterator[tuple[str, str]]:
    sender = ADDRESS.fullmatch(settings.mail_from)
    if sender is None or not is_public_host(sender[1]):
        yield "mail_from", "must be an address that mail is really sent from"
    parts = _parts(settings.smtp_url)
    if settings.smtp_url and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
        yield "smtp_url", "must begin with smtp:// or smtps:// and name a host"
    if settings.sms_url and not settings.sms_token:
        yield "sms_token", "must be set where SMS_URL is"
