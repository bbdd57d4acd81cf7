"""Amounts, instants and states in words; filters of every template.

What comes in is what the API would answer: amounts are decimal strings, instants RFC 3339.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Flask, g
from markupsafe import Markup

NOTHING = "\u2013"
"""Where a value is missing."""

MINUS = "\u2212"

TONES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "pending",
            "scheduled",
            "refunded",
            "reversed",
            "open",
            "proposed",
            "draft",
            "changes_requested",
            "soft_closed",
            "warning",
            "due",
            "case",
            "paused",
        ),
        "waits",
    ),
    **dict.fromkeys(
        ("executing", "in_progress", "sent", "in_payment", "funded", "processing", "running"),
        "moves",
    ),
    **dict.fromkeys(
        (
            "success",
            "complete",
            "completed",
            "resolved",
            "paid",
            "approved",
            "confirmed",
            "received",
            "matched",
            "succeeded",
            "reviewed",
            "closed",
            "posted",
            "active",
            "ok",
            "effective",
            "settled",
            "accepted",
        ),
        "good",
    ),
    **dict.fromkeys(
        (
            "failed",
            "discrepancy",
            "rejected",
            "mismatched",
            "critical",
            "refused",
            "dead_lettered",
            "severe",
            "failing",
        ),
        "bad",
    ),
    **dict.fromkeys(
        ("cancelled", "withdrawn", "expired", "ended", "superseded", "voided", "off"), "over"
    ),
    **dict.fromkeys(("in_doubt", "unknown"), "doubt"),
    "low": "waits",
    "mpesa": "mpesa",
    "airtel_money": "airtel",
    "mtn_momo": "mtn",
    "bank": "bank",
    "cash": "cash",
    "card": "card-method",
    "wallet": "wallet",
}
"""The swatch beside a state; its word stands there too, so no meaning is by colour alone."""

ICONS: Mapping[str, str] = {
    "waits": "clock",
    "moves": "arrow",
    "good": "check",
    "bad": "cross",
    "over": "dash",
    "doubt": "question",
}

NAMES: Mapping[str, str] = {
    "mpesa": "M-Pesa",
    "airtel_money": "Airtel Money",
    "mtn_momo": "MTN MoMo",
    "cfo": "CFO",
    "ceo": "CEO",
    "fpa": "FP&A",
    "hq": "Head office",
    "id": "Id",
}


def word(value: Any) -> str:
    """A state, role, kind or field in words: `pending_finance_review` → Pending finance review."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "Yes" if value else "No"
    text = str(value)
    if text.isupper():
        return text
    return NAMES.get(text) or text.replace("_", " ").replace(".", ": ").strip().capitalize()


def tone(value: Any) -> str:
    """The class of a state's swatch."""
    text = str(value)
    if text in TONES:
        return TONES[text]
    return "waits" if text.startswith("pending") else "plain"


def money(value: Any, currency: str | None = None) -> str:
    """An amount with its thousands apart, and its currency before it: `KES 1,500.00`."""
    if value is None or value == "":
        return NOTHING
    shown = f"{Decimal(str(value)):,}".replace("-", MINUS)
    return f"{currency} {shown}" if currency else shown


def _instant(value: Any) -> datetime | None:
    if not value:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.astimezone(g.zone)


def when(value: Any) -> Markup | str:
    """An instant in the company's time zone, readable by machines too."""
    at = _instant(value)
    if at is None:
        return NOTHING
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at.day} {at:%b %Y, %H:%M}"
    )


def day(value: Any) -> str:
    """A date: `3 Nov 2026`."""
    if not value:
        return NOTHING
    found = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{found.day} {found:%b %Y}"


def month(value: Any) -> str:
    """A month: `November 2026`."""
    return f"{date.fromisoformat(f'{value}-01'):%B %Y}" if value else NOTHING


def said(value: Any) -> Markup | str:
    """A value of which only its own look says what it is: an instant, yes or no, a text."""
    if isinstance(value, bool):
        return word(value)
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return when(value)
    if isinstance(value, str) and CODE.fullmatch(value):
        return word(value)
    return NOTHING if value in (None, "") else str(value)


CODE = re.compile(r"[a-z]+(_[a-z]+)*")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def age(value: Any) -> str:
    """How long ago an instant is: `5 min`, `3 h`, `12 days`."""
    at = _instant(value)
    if at is None:
        return NOTHING
    seconds = max(0, int((g.now - at).total_seconds()))
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} days"


def person(value: Any, people: Mapping[str, str] | None = None) -> str:
    """The name of a person whose id stands in an answer."""
    if value is None:
        return NOTHING
    return (people or {}).get(str(value)) or "Somebody"


def at(item: Any, path: str) -> Any:
    """A member of an answer, by its path: `approval.policy.name`, `lines.0.amount`."""
    found = item
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit():
            found = found[int(part)] if int(part) < len(found) else None
        else:
            return None
    return str(found) if isinstance(found, UUID) else found


def install(application: Flask) -> None:
    """Give templates these words."""
    for each in (word, tone, money, when, day, month, said, age, person, at):
        application.jinja_env.filters[each.__name__] = each
    application.jinja_env.globals["ICONS"] = ICONS
