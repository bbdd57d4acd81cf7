"""Entries and connections that tests of the ledger need."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, create_engine, event, select, text
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.models.ledger import AccountKind
from pettycash.services.ledger.posting import Entry, credit, debit
from tests import books
from tests.servers import Database

KES = Decimal


def transfer(session: Session, source: str, amount: str, **facts: object) -> Entry:
    """Dr suspense, Cr equity: an entry that touches nobody's store."""
    to = books.account(session, AccountKind.SUSPENSE)
    origin = books.account(session, AccountKind.EQUITY)
    values = {
        "source": source,
        "rule": "test",
        "description": source,
        "occurred_at": session.info["now"],
        "currency": "KES",
        "postings": [debit(to.id, KES(amount)), credit(origin.id, KES(amount))],
    }
    return Entry(**{**values, **facts})  # type: ignore[arg-type]


def companies(database: Database) -> tuple[UUID, UUID]:
    with owner(database) as connection:
        rows = connection.execute(
            select(Company.code, Company.id).where(Company.code.in_(("DEMO", "OTHER")))
        )
        found = {row.code: row.id for row in rows}
    return found["DEMO"], found["OTHER"]


def account_of_other_company(database: Database) -> UUID:
    with owner(database) as connection:
        return connection.execute(
            text(
                "SELECT a.id FROM ledger_accounts a JOIN companies c ON c.id = a.company_id"
                " WHERE c.code = 'OTHER' AND a.kind = 'equity' AND a.currency = 'KES'"
            )
        ).scalar_one()


@contextmanager
def owner(database: Database) -> Iterator[Connection]:
    engine = create_engine(database.owner_url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def statements(session: Session, work: Callable[[], object]) -> int:
    seen: list[str] = []
    connection = session.connection()

    def count(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(connection, "before_cursor_execute", count)
    try:
        work()
    finally:
        event.remove(connection, "before_cursor_execute", count)
    return len(seen)
