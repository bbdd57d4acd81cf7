"""Canonical JSON and its digest: what "the same facts" means wherever a digest binds them."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(facts: Mapping[str, Any]) -> bytes:
    """Sorted keys, no spaces, UTF-8, amounts with two decimals; `v` is the form's version."""
    return json.dumps(
        {"v": 1, **facts},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_plain,
    ).encode()


def digest(facts: Mapping[str, Any]) -> bytes:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(facts)).digest()
