"""Alembic environment: runs as the owner, online only.

The connection comes from whoever calls (tests, `pettycash db upgrade`), else from the
environment's DATABASE_OWNER_URL.
"""

import random
import sys
import time
from pathlib import Path

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pettycash.models import Base
from pettycash.runtime import config as pettycash_config
from pettycash.runtime import db

LOCK_SECONDS = 1.0
"""Everybody queues behind an ALTER TABLE that waits: less than a request's statement waits."""

PATIENCE_SECONDS = float(context.config.attributes.get("patience_seconds", 60.0))


def run(connection: Connection) -> None:
    """Apply what is asked for in one transaction: a migration happens whole or not at all.

    Where somebody else keeps a lock that it needs, all of it is taken back and tried again.
    """
    connection.execute(
        text(
            "SELECT set_config('lock_timeout', :lock, false),"
            " set_config('statement_timeout', '0', false)"
        ),
        {"lock": f"{int(LOCK_SECONDS * 1000)}ms"},
    )
    connection.commit()
    began = time.monotonic()
    while True:
        context.configure(connection=connection, target_metadata=Base.metadata)
        try:
            with context.begin_transaction():
                context.run_migrations()
        except DBAPIError as error:
            if db.sqlstate(error) not in db.RETRIABLE_SQLSTATES:
                raise
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise CommandError(
                    f"for {PATIENCE_SECONDS:g} s others have kept a table locked that the migration"
                    " changes. Nothing was changed. End the oldest transactions in"
                    " pg_stat_activity, or wait for them, and upgrade again."
                ) from error
        else:
            return
        time.sleep(random.uniform(LOCK_SECONDS, 2 * LOCK_SECONDS))


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    owner_url = context.config.attributes.get("url") or pettycash_config.read().database_owner_url
    engine = create_engine(owner_url)
    with engine.connect() as opened:
        run(opened)
    engine.dispose()
