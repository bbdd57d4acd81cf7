"""A session of which nothing stays."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.runtime import db
from tests.servers import Database, compose_for


@contextmanager
def rolled_back(database: Database, *, company_id: str | None) -> Iterator[Session]:
    """The application role in a company, for a transaction that ends with its deferred triggers."""
    compose_for(database)
    with (
        db.engine().connect() as connection,
        connection.begin() as outer,
        db.scope(company_id=company_id, source="test"),
        Session(
            bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        ) as opened,
    ):
        # Once on the outer transaction, so that a rollback inside the test keeps the scope.
        connection.execute(
            text("SELECT set_config('app.company', :id, true)"), {"id": company_id or ""}
        )
        db.begin_scope(opened)
        with db.joined(opened):
            yield opened
            opened.flush()
            raw = connection.connection.driver_connection
            if raw.info.transaction_status != TRANSACTION_STATUS_INERROR:
                connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        outer.rollback()
