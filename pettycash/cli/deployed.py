"""Words of the servers themselves, where no state folder tells what runs: in a container, say."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis

from pettycash.api import health
from pettycash.runtime import config, process
from pettycash.runtime.settings import Settings
from pettycash.stack import probes
from pettycash.stack.state import StackError

REDIS_SECONDS = 2.0
SMTP_PORTS = {"smtp": 25, "smtps": 465}


def status() -> dict[str, Any]:
    """As `status` of a stack; instead of processes there are checks, as /readyz makes them.

    Raises:
        StackError: the configuration can't be used.
    """
    checks = look(settings())
    return {
        "running": any(each["ok"] for each in checks),
        "ready": all(each["ok"] for each in checks),
        "pid": None,
        "processes": [],
        "checks": checks,
    }


def settings() -> Settings:
    """The settings of this environment.

    Raises:
        StackError: they can't be used.
    """
    try:
        return config.read()
    except config.InvalidConfiguration as error:
        raise StackError(f"the configuration is not usable: {error}") from error


def look(current: Settings) -> list[dict[str, Any]]:
    """Database, its schema, every background part, the books; Redis; the mail server."""
    process.lay(current)
    with _silent(logging.getLogger(health.__name__)):
        checks = health.readiness()
    return [*checks, redis_answers(current.redis_url), mail_answers(current.smtp_url)]


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep a logger silent: its words of a database that is away stand in the checks."""
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


def redis_answers(url: str) -> dict[str, Any]:
    """Whether Redis takes our password and answers, within two seconds."""
    try:
        with redis.Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return {"name": "redis", "ok": False, "detail": reason}
    return {"name": "redis", "ok": True, "detail": "answers"}


def mail_answers(url: str) -> dict[str, Any]:
    """Whether the mail server accepts connections; nothing is said to it."""
    parts = urlsplit(url)
    if not parts.hostname:
        return {"name": "mail", "ok": False, "detail": "SMTP_URL is not set"}
    ok = probes.tcp(url, SMTP_PORTS.get(parts.scheme, 25))()
    said = "accepts connections" if ok else "does not accept connections"
    return {"name": "mail", "ok": ok, "detail": f"{parts.hostname} {said}"}
