"""What is put there again as rows is what the services made."""

from typing import Any

from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from pettycash.models.operations import OutboxMessage
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.services.reconciliation.invariants import check_books
from tests.factories import payments as making
from tests.factories.rails import ACCEPTED
from tests.factories.requisitions import raised
from tests.factories.scenes import WRITTEN, Scenes
from tests.rolling_back import rolled_back
from tests.servers import Database

AMOUNT = "1234.00"
"""Nobody else asks for it: the services make it twice, and then it is known."""


def begin(session: Session, scenes: Scenes) -> tuple[Payment, int]:
    """A payment that waits to be sent, and the statements that it took."""
    session.info["scenes"] = scenes
    statements: list[str] = []
    connection = session.connection()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    payment = making.executing(session, AMOUNT)
    event.remove(connection, "before_cursor_execute", note)
    return payment, len(statements)


def written(session: Session) -> dict[str, int]:
    """How many rows this transaction has written, by table."""
    since = session.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
    found = session.execute(WRITTEN, {"since": since}).all()
    return {each.name: len(each.rows) for each in found if each.rows}


def test_the_rows_are_put_there_as_the_services_wrote_them(
    database: Database, demo_company: str | None, scenes: Scenes
) -> None:
    for _ in range(2):
        with rolled_back(database, company_id=demo_company) as session:
            payment, of_services = begin(session, scenes)
            made_at, rows = payment.created_at, written(session)

    with rolled_back(database, company_id=demo_company) as session:
        again, of_rows = begin(session, scenes)

        assert (of_services > 100, of_rows < 10) == (True, True)
        assert again.id == payment.id
        assert again.status is PaymentStatus.EXECUTING
        assert written(session) == rows
        assert made_at < again.created_at <= session.info["now"], "as long ago as it was"
        due = session.execute(
            select(OutboxMessage.due_at).where(OutboxMessage.topic == "payments.submit")
        )
        assert due.scalars().all() == [session.info["now"]]
        assert check_books(session) == []
        making.answered(session, again, ACCEPTED)


def test_what_begins_otherwise_is_made_by_the_services(
    database: Database, demo_company: str | None, scenes: Scenes
) -> None:
    for _ in range(3):
        with rolled_back(database, company_id=demo_company) as session:
            raised(session)
            session.flush()
            _, statements = begin(session, scenes)
            assert statements > 100
