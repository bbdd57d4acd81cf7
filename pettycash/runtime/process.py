"""The base of every process of pettycash: settings, engines, log.

Relay and beat need no more than this. What talks to a rail is composed by `composition`, whose
adapters weigh 15 MB in memory.
"""

import logging
import sys

from pettycash.runtime import db, log_lines, pool
from pettycash.runtime import settings as installed
from pettycash.runtime.settings import Settings


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
    except pool.BehindPooler as refusal:
        sys.exit(f"pettycash: {refusal}")


def context() -> dict[str, str]:
    """The owners of a line of the log: request, company, person and API key."""
    acting = db.current_scope()
    found = {
        "request_id": acting.request_id,
        "company_id": acting.company_id,
        "person_id": acting.actor_id,
        "api_key_id": acting.api_key_id,
        "source": acting.source,
    }
    return {name: str(value) for name, value in found.items() if value}


def log_as_json(level: int = logging.INFO) -> None:
    """Write the log of this process as `log_lines` does, each line with its context."""
    log_lines.write_json(level, context=context)
