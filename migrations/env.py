"""Alembic environment: runs as the owner, online only.

The connection comes from whoever calls (tests, `pettycash db upgrade`), else from the
environment's DATABASE_OWNER_URL.
"""

import sys
from pathlib import Path

from alembic import context
from sqlalchemy import Connection, create_engine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pettycash import config as pettycash_config
from pettycash.models import Base


def run(connection: Connection) -> None:
    """Apply what is asked for in one transaction: a migration happens whole or not at all."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    owner_url = context.config.attributes.get("url") or pettycash_config.read().database_owner_url
    engine = create_engine(owner_url)
    with engine.connect() as opened:
        run(opened)
    engine.dispose()
