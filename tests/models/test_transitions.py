"""The database knows the steps of a status as well as the application does, and insists on them."""

from collections.abc import Mapping
from enum import StrEnum

import pytest
from sqlalchemy.orm import Session

from pettycash.models.imprest import REPLENISHMENT_TRANSITIONS
from pettycash.models.payments import TRANSITIONS as PAYMENT_TRANSITIONS
from pettycash.models.requisitions import TRANSITIONS as REQUISITION_TRANSITIONS
from tests.factories.requisitions import raised
from tests.models.catalogue import connected, rows
from tests.models.test_duties import refused
from tests.servers import Database


@pytest.mark.parametrize(
    ("machine", "known"),
    [
        ("payments", PAYMENT_TRANSITIONS),
        ("replenishments", REPLENISHMENT_TRANSITIONS),
        ("requisitions", REQUISITION_TRANSITIONS),
    ],
    ids=["payments", "replenishments", "requisitions"],
)
def test_the_database_knows_the_same_steps(
    database: Database, machine: str, known: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    query = "SELECT from_status, to_status FROM allowed_transitions WHERE machine = %s"

    with connected(database.owner_url) as owner:
        found = rows(owner, query, machine)

    assert set(found) == {
        (start.value, end.value) for start, ends in known.items() for end in ends if end != start
    }


@pytest.mark.parametrize("status", ["paid", "in_payment", "reviewed", "closed_short"])
def test_a_draft_is_not_paid_by_plain_sql(session: Session, status: str) -> None:
    draft = raised(session)
    session.flush()

    statement = "UPDATE requisitions SET status = :status WHERE id = :id"
    assert refused(session, statement, id=draft.id, status=status) == "PC007"


def test_what_is_cancelled_stays_cancelled(session: Session) -> None:
    draft = raised(session)
    session.flush()
    statement = "UPDATE requisitions SET status = :status WHERE id = :id"

    assert refused(session, statement, id=draft.id, status="cancelled") is None
    for status in ("draft", "pending_treasury_validation", "in_payment", "paid"):
        assert refused(session, statement, id=draft.id, status=status) == "PC007"
