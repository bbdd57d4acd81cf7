"""The log: one JSON object a line on standard error, whoever of the process writes it.

JSON's escapes keep every line one line, whatever a user sent. What no line may hold (security.md
row 19) is cut out of every value here, so that no caller can forget it.
"""

import contextlib
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict

from pettycash.runtime.sanitising import CUT, sanitise, sanitise_text

TRACEBACK_MAX = 20_000
STANDARD_ERROR = 2

_PATH_SECRET = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])")
"""The last part of a callback's path, wherever it stands."""

_ROW = re.compile(
    r"DETAIL:.*?(?=\n(?:HINT|CONTEXT|QUERY|LINE)\b|\n\[SQL|\n\(Background|\Z)", re.DOTALL
)
"""PostgreSQL adds to an error the values of the row that it refused."""


def write_json(
    level: int = logging.INFO, *, context: Callable[[], Mapping[str, Any]] = dict
) -> None:
    """Write our own lines and the libraries' alike as JSON; `context` says what each belongs to."""

    def add_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {**context(), **event}

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_context,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _clean,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    if not sys.stderr.isatty():
        sys.excepthook = _uncaught
        threading.excepthook = lambda it: _uncaught(it.exc_type, it.exc_value, it.exc_traceback)


def say_from_a_signal(message: str, *, logger: str) -> None:
    """Write one line from a signal handler, which may have interrupted whoever holds the log."""
    line = {
        "event": message,
        "level": "info",
        "logger": logger,
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    with contextlib.suppress(OSError):
        os.write(STANDARD_ERROR, f"{json.dumps(line)}\n".encode())


def _clean(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event.pop("data", None)  # Celery's: arguments, and the traceback once more
    trace = event.pop("exception", None)
    clean: EventDict = sanitise(_without_paths(event))
    if trace is not None:
        trace = _ROW.sub(f"DETAIL: {CUT}", _without_paths(trace))
        clean["exception"] = sanitise_text(trace, longest=TRACEBACK_MAX)
    return clean


def _without_paths(value: Any) -> Any:
    if isinstance(value, str):
        return _PATH_SECRET.sub(CUT, value)
    if isinstance(value, Mapping):
        return {name: _without_paths(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(inner) for inner in value]
    return value


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    logging.getLogger("pettycash").critical(
        "an error that nobody caught", exc_info=(kind, error or kind(), trace)
    )
