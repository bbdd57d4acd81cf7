"""Builds what every process of pettycash stands on: settings, log, engines, adapters.

The API, the workers, the relay and the commands are composed alike, here, so that none of them
can differ in which rails it serves or what it writes to its log.
"""

import logging
import logging.config
from datetime import timedelta
from typing import Any

import structlog
from structlog.typing import EventDict

from pettycash import db
from pettycash import settings as installed
from pettycash.gateways import registry
from pettycash.gateways.http import HttpLimits, RailSession
from pettycash.gateways.mpesa import MpesaConfig, MpesaGateway
from pettycash.gateways.tokens import TokenCache, connect
from pettycash.rails import Rail
from pettycash.settings import Settings


def compose(settings: Settings) -> None:
    """Install the settings, build the engines, wire one adapter for each rail that is served.

    Opens no connection. A process that forks afterwards calls `db.dispose(close=False)` in the
    child.
    """
    installed.install(settings)
    db.configure(
        settings.database_url,
        settings.database_system_url or settings.database_owner_url or settings.database_url,
        pool_size=settings.database_pool_size,
    )
    registry.register(Rail.MPESA, lambda: _mpesa(settings))


def _mpesa(settings: Settings) -> MpesaGateway:
    limits = HttpLimits(
        connect_seconds=settings.rail_connect_timeout_seconds,
        read_seconds=settings.rail_read_timeout_seconds,
        total_seconds=settings.rail_total_timeout_seconds,
    )
    hosts = list(settings.rail_hosts)
    if settings.simulator_mpesa_url and settings.environment != "production":
        hosts.append(settings.simulator_mpesa_url)
    tokens = TokenCache(connect(settings.redis_url) if settings.redis_url else None)
    config = MpesaConfig(
        amount_min=settings.mpesa_amount_min,
        amount_max=settings.mpesa_amount_max,
        decide_by=timedelta(seconds=settings.decide_by_seconds),
    )
    return MpesaGateway(RailSession(hosts, limits), tokens, config)


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
