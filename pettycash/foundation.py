"""What every process of pettycash stands on: settings, engines, log.

Relay and beat need no more than this. What talks to a rail is composed by `composition`, whose
adapters weigh 15 MB in memory.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

from pettycash import db, pooled
from pettycash import settings as installed
from pettycash.settings import Settings


def lay(settings: Settings) -> None:
    """Install the settings and build the engines. Opens no connection."""
    installed.install(settings)
    db.configure(
        settings.database_url,
        settings.database_system_url or settings.database_owner_url or settings.database_url,
        pool_size=settings.database_pool_size,
    )


def refuse_poolers() -> None:
    """End the process, with a sentence, where its database is behind a pooler (`db`)."""
    try:
        db.refuse_poolers()
    except pooled.BehindPooler as refusal:
        sys.exit(f"pettycash: {refusal}")


def _with_scope(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Say which request a line belongs to."""
    acting = db.current_scope()
    if acting.request_id:
        event.setdefault("request_id", acting.request_id)
    return event


def log_as_json(level: int = logging.INFO) -> None:
    """One JSON object a line on standard error, our own lines and the libraries' alike."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_scope,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
