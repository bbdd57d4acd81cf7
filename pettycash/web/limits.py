"""How often a person may ask: Flask-Limiter on Redis, in memory while Redis is away.

These limits guard capacity. Those that guard secrets (signing in, codes) are counted in PostgreSQL:
`services.access.identity.throttles` (security.md row 14).
"""

from typing import Any

from flask import Flask, Response, g, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded

from pettycash.runtime import errors
from pettycash.runtime.settings import Settings
from pettycash.web.problems import from_error

READS = frozenset({"GET", "HEAD", "OPTIONS"})
WINDOW_SECONDS = 60
REDIS_TIMEOUT_SECONDS = 0.3
"""How long a Redis that hangs may delay a request, once, before memory takes over."""


class TooManyReads(errors.TooManyRequests):
    """You read more often than your limit allows; wait as long as Retry-After says."""

    code = "request.too_many_reads"


class TooManyWrites(errors.TooManyRequests):
    """You write more often than your limit allows; wait as long as Retry-After says."""

    code = "request.too_many_writes"


def _who() -> str:
    """The person or machine client; where nobody is signed in, the address."""
    return str(g.get("limited_as") or f"address:{request.remote_addr}")


def _kind(_endpoint: str = "") -> str:
    """The name of a count: an operation that may not be refused lets in no other's count."""
    kind = "reads" if request.method in READS else "writes"
    return str(g.get("limited_for", kind))


def _is_unlimited() -> bool:
    return bool(g.get("unlimited"))


def install(application: Flask, settings: Settings) -> None:
    """Count every request against its sender's limit, after `admission.admit` knows the sender."""

    def allowance() -> str:
        per_minute = (
            settings.reads_per_person_per_minute
            if request.method in READS
            else settings.writes_per_person_per_minute
        )
        return f"{per_minute} per minute"

    options: dict[str, Any] = {}
    if settings.redis_url:
        options = {
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
            "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
        }
    limiter = Limiter(
        _who,
        default_limits=[ApplicationLimit(allowance, scope=_kind, exempt_when=_is_unlimited)],
        storage_uri=settings.redis_url or "memory://",
        storage_options=options,
        in_memory_fallback_enabled=True,
        # Of several requests that find Redis gone together, the first turns to memory; the others
        # would fail. What is guarded is capacity, so they pass uncounted.
        swallow_errors=True,
        key_prefix="pettycash-limits",
        headers_enabled=False,
    )
    limiter.init_app(application)
    application.register_error_handler(RateLimitExceeded, refuse)


def refuse(_error: RateLimitExceeded | None = None) -> Response:
    """The answer to whoever asks too often."""
    kind = TooManyReads if request.method in READS else TooManyWrites
    return from_error(kind(retry_after_seconds=WINDOW_SECONDS))
