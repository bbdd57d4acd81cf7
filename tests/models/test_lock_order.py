"""The recorder of locks reads statements, functions and triggers, and finds a circle."""

from collections.abc import Callable
from typing import Any

import pytest

from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from tests import lock_order
from tests.factories import payments as making
from tests.factories.people import company_id
from tests.lock_order import Locks
from tests.models.catalogue import connected, rows
from tests.servers import Database

MADE_UP = """
def act(transaction, *steps):
    with transaction() as session:
        for step in steps:
            step(session)
"""


@pytest.fixture(scope="module")
def locks(database: Database) -> Locks:
    with connected(database.owner_url) as owner:
        return Locks(rows(owner, lock_order.CATALOGUE))


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT id FROM cases WHERE id = 1 FOR NO KEY UPDATE", ["cases"]),
        ("SELECT id FROM cases c WHERE id IN (SELECT id FROM stores) FOR UPDATE", ["cases"]),
        (("SELECT 1 FROM payments JOIN requisitions r ON r.id = payments.requisition_id"
         " FOR NO KEY UPDATE OF r, payments"), ["requisitions", "payments"]),
        ("SELECT 1 FROM users, memberships FOR NO KEY UPDATE", ["users", "memberships"]),
        ("SELECT id FROM cases FOR NO KEY UPDATE SKIP LOCKED", []),
        (
            (
                "WITH free AS (SELECT number FROM rail_slots LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"
                " UPDATE rail_slots s SET holder = '' FROM free WHERE s.number = free.number"
            ),
            [],
        ),
        ("SELECT 'UPDATE cases SET x' FROM cases -- FOR UPDATE", []),
        ("UPDATE cases SET owner_id = NULL", ["cases"]),
        ("UPDATE outbox_messages o SET attempts = 1 FROM due", ["outbox_messages"]),
        ("DELETE FROM throttles WHERE true", ["throttles"]),
        ("INSERT INTO cases (id) VALUES (1) ON CONFLICT DO NOTHING", []),
        ("INSERT INTO counters (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 2", ["counters"]),
        ("INSERT INTO payment_executions (id) VALUES (1)", ["requisitions", "payments", "(turn)"]),
        ("UPDATE payments SET version = 2", ["payments", "requisitions"]),
        ("SELECT hold_place(1)", ["ledger_accounts"]),
        ("SELECT * FROM ledger_post('[]', '{}')",
         ["outbox_messages", "(posting gate)", "ledger_accounts", "holds"]),
    ],
)  # fmt: skip
def test_what_a_statement_locks(locks: Locks, statement: str, tables: list[str]) -> None:
    assert list(locks.of(statement)) == tables


def test_a_made_up_circle_is_found(live: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two units of work of the product: one locks a payment first, the other its requisition."""
    monkeypatch.setattr(lock_order.RECORDER, "edges", {})
    found: dict[str, Any] = {}
    exec(compile(MADE_UP, f"{lock_order.PRODUCT}made_up.py", "exec"), found)
    act: Callable[..., None] = found["act"]
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            payment = making.pending(session)
        assert lock_order.RECORDER.edges == {}, "a transaction of a test says nothing"

        def the_payment(session: Any) -> None:
            db.lock(session, Payment, payment.id)

        def the_requisition(session: Any) -> None:
            db.lock(session, Requisition, payment.requisition_id)

        act(db.transaction, the_requisition, the_payment)
        assert lock_order.circle(lock_order.RECORDER.edges) == []
        act(db.transaction, the_payment, the_requisition)

    lines = lock_order.circle(lock_order.RECORDER.edges)
    assert sorted(each.partition(":")[0] for each in lines) == [
        "payments → requisitions",
        "requisitions → payments",
    ]
    assert "test_a_made_up_circle_is_found" in lines[0]


def test_what_workers_saw_is_one_picture(tmp_path: Any) -> None:
    for number, edge in enumerate((("a", "b"), ("b", "c"), ("c", "a"))):
        recorder = lock_order.Recorder()
        recorder.edges[edge] = f"test {number}"
        assert lock_order.circle(lock_order.merged(tmp_path)) == []
        recorder.write(tmp_path / f"locks-gw{number}.json")

    assert len(lock_order.circle(lock_order.merged(tmp_path))) == 3
