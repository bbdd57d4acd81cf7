"""Reads the environment once. Every variable, its meaning and default: docs/configuration.md."""

import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from environs import Env, EnvValidationError
from marshmallow.validate import OneOf

from pettycash.runtime import crash_points, production
from pettycash.runtime.settings import Settings

ENVIRONMENTS = ("development", "test", "production")

FIXED_NAMES = {
    "database_url": "DATABASE_URL",
    "database_owner_url": "DATABASE_OWNER_URL",
    "database_system_url": "DATABASE_SYSTEM_URL",
    "redis_url": "REDIS_URL",
    "broker_url": "CELERY_BROKER_URL",
    "smtp_url": "SMTP_URL",
    "sms_url": "SMS_URL",
    "sms_token": "SMS_TOKEN",
    "environment": "PETTYCASH_ENV",
}
"""Variables whose names are a contract with the world outside; the rest are PETTYCASH_<NAME>."""


class InvalidConfiguration(Exception):
    """A setting is missing or can't be used; the message names every one of them."""


def variable_of(name: str) -> str:
    """The environment variable that sets a field of Settings."""
    return FIXED_NAMES.get(name, f"PETTYCASH_{name.upper()}")


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Build Settings from the environment.

    Raises:
        InvalidConfiguration: a value can't be read, or production can't start with it.
    """
    if environ is not None:
        before = dict(os.environ)
        try:
            os.environ.clear()
            os.environ.update(environ)
            return read()
        finally:
            os.environ.clear()
            os.environ.update(before)
    env = Env(eager=False)
    values: dict[str, object] = {}
    for each in fields(Settings):
        variable = variable_of(each.name)
        raw_file = os.environ.get(f"{variable}_FILE")
        if raw_file and variable not in os.environ:
            os.environ[variable] = _content(f"{variable}_FILE", raw_file)
        default: Any = each.default
        values[each.name] = _value(env, each.name, variable, default)
    try:
        env.seal()
    except EnvValidationError as error:
        raise InvalidConfiguration(_unreadable(error)) from error
    for name in ("database_url", "database_owner_url", "database_system_url"):
        values[name] = _driver(str(values[name]))
    if not values["broker_url"]:
        values["broker_url"] = values["redis_url"]
    if not values["callback_base_url"]:
        values["callback_base_url"] = values["api_url"]
    if not values["api_url"]:
        values["api_url"] = values["callback_base_url"]
    settings = Settings(**values)  # type: ignore[arg-type]
    _check(settings)
    return settings


def other_limits(environ: Mapping[str, str]) -> str:
    """The limits a minute that are not production's own, to be named where somebody looks."""
    variables = {
        variable_of(each.name): str(each.default)
        for each in fields(Settings)
        if each.name.endswith("_per_minute")
    }
    return ", ".join(
        f"{name}={environ[name]} ({default})"
        for name, default in variables.items()
        if environ.get(name, default) != default
    )


def _content(variable: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidConfiguration(f"{variable}: {file} can't be read ({reason})") from error


def _unreadable(error: EnvValidationError) -> str:
    """One sentence for each variable whose value is of another kind."""
    if not isinstance(error.error_messages, Mapping):
        return str(error)
    return "; ".join(
        f"{variable} can't be read: {' '.join(reasons)}"
        for variable, reasons in error.error_messages.items()
    )


def _value(env: Env, name: str, variable: str, default: Any) -> object:
    """Read one variable as the type of its default. bool comes before int: it is one."""
    if name == "environment":
        return env.str(variable, default, validate=OneOf(ENVIRONMENTS))
    if isinstance(default, tuple):
        return tuple(env.list(variable, list(default)))
    if isinstance(default, Path):
        return Path(env.str(variable, str(default)))
    if isinstance(default, bool):
        return env.bool(variable, default)
    if isinstance(default, int):
        return env.int(variable, default)
    if isinstance(default, float):
        return env.float(variable, default)
    if isinstance(default, Decimal):
        return env.decimal(variable, default)
    return env.str(variable, default)


def _driver(url: str) -> str:
    """Name psycopg2: a bare postgresql:// means psycopg 3 to SQLAlchemy 2.1."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg2://" + url.removeprefix(prefix)
    return url


def _is_postgresql(url: str) -> bool:
    """Whether a URL names PostgreSQL by the driver that is installed, and can be parsed."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme == "postgresql+psycopg2" and bool(parts.netloc or parts.query)


def _is_fernet_key(key: str) -> bool:
    """Whether something can be encrypted with it."""
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _is_crash_order(text: str) -> bool:
    """Whether it names a step and a fault, or a file of them."""
    try:
        return text.startswith("@") or bool(crash_points.order(text))
    except ValueError:
        return False


def _check(settings: Settings) -> None:
    wrong = [
        f"{variable_of(name)} must be a URL such as postgresql://role:password@host:5432/database"
        for name in ("database_url", "database_owner_url", "database_system_url")
        if getattr(settings, name) and not _is_postgresql(getattr(settings, name))
    ]
    if not all(_is_fernet_key(key) for key in settings.secret_keys):
        wrong.append("PETTYCASH_SECRET_KEYS must be Fernet keys: 32 bytes each, as URL-safe base64")
    wrong.extend(
        f"PETTYCASH_CRASH_AT: {each} is not domain.step[:n][=fault]"
        for each in settings.crash_at
        if not _is_crash_order(each)
    )
    if settings.rail_calls_at_once < 1:
        wrong.append("PETTYCASH_RAIL_CALLS_AT_ONCE must be 1 or more: nothing would ever be sent")
    if settings.environment == "production":
        wrong.extend(
            f"{variable_of(name)} {reason}" for name, reason in production.refusals(settings)
        )
    if wrong:
        raise InvalidConfiguration("; ".join(wrong))
