"""Each check of the books sees the damage that it is there for; nothing else of ours can do it."""

from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pettycash import db
from pettycash.services.payments.evidence import Source
from pettycash.services.reconciliation import check_books
from pettycash.services.reconciliation.books import CHECKS
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, proven
from tests.factories.people import company_id
from tests.servers import Database, Servers, compose_for

Known = Mapping[str, object]

DAMAGE: list[tuple[str, str, str]] = [
    (
        "balance_is_sum_of_postings",
        "account",
        "UPDATE ledger_accounts SET balance = balance + 1 WHERE id = :account",
    ),
    (
        "balance_is_sum_of_postings",
        "account",
        "UPDATE ledger_accounts SET sequence = sequence + 1 WHERE id = :account",
    ),
    (
        "balance_is_sum_of_postings",
        "account",
        "DELETE FROM postings WHERE account_id = :account AND entry_id = :entry",
    ),
    (
        "balance_after_is_the_chain",
        "account",
        (
            "UPDATE postings SET balance_after = balance_after + 1"
            " WHERE account_id = :account AND entry_id = :entry"
        ),
    ),
    (
        "balance_after_is_the_chain",
        "account",
        (
            "UPDATE postings SET sequence = sequence + 1"
            " WHERE account_id = :account AND entry_id = :entry"
        ),
    ),
    (
        "held_is_sum_of_open_holds",
        "account",
        "UPDATE ledger_accounts SET held = held + 1 WHERE id = :account",
    ),
    (
        "held_is_sum_of_open_holds",
        "account",
        "UPDATE holds SET state = 'voided' WHERE source = :hold",
    ),
    (
        "entries_balance",
        "entry",
        "UPDATE postings SET amount = amount + 1 WHERE entry_id = :entry AND side = 'debit'",
    ),
    ("entries_balance", "entry", "DELETE FROM postings WHERE entry_id = :entry"),
    (
        "entries_balance",
        "entry",
        "UPDATE postings SET currency = 'USD' WHERE entry_id = :entry AND side = 'debit'",
    ),
    (
        "open_holds_are_live_attempts",
        "hold_id",
        "UPDATE payment_attempts SET state = 'rejected' WHERE id = :attempt",
    ),
    (
        "open_holds_are_live_attempts",
        "hold_id",
        "UPDATE payments SET status = 'failed' WHERE id = :going",
    ),
    ("open_holds_are_live_attempts", "hold_id", "DELETE FROM payment_attempts WHERE id = :attempt"),
    (
        "open_holds_are_live_attempts",
        "hold_id",
        "UPDATE holds SET amount = amount + 1 WHERE source = :hold",
    ),
    ("payments_on_the_way_are_held", "going", "DELETE FROM holds WHERE source = :hold"),
    (
        "payments_on_the_way_are_held",
        "going",
        "UPDATE payments SET amount = amount - 1 WHERE id = :going",
    ),
    (
        "successes_are_posted",
        "going",
        (
            "UPDATE payments SET status = 'success', paid_at = now(), paid_amount = amount,"
            " provider_reference = 'R' WHERE id = :going"
        ),
    ),
    (
        "successes_are_posted",
        "paid",
        "UPDATE payments SET status = 'failed', paid_at = NULL WHERE id = :paid",
    ),
    ("successes_are_posted", "paid", "DELETE FROM journal_entries WHERE id = :entry"),
    (
        "one_settled_attempt_each",
        "paid",
        "UPDATE payment_attempts SET state = 'rejected' WHERE payment_id = :paid",
    ),
    (
        "one_settled_attempt_each",
        "paid",
        (
            "UPDATE payment_attempts SET state = 'settled', payment_id = :paid, number = 2"
            " WHERE id = :attempt"
        ),
    ),
    (
        "payments_within_approval",
        "requisition",
        "UPDATE requisitions SET approved_amount = approved_amount - 1 WHERE id = :requisition",
    ),
    (
        "below_floor_has_a_case",
        "store",
        "UPDATE ledger_accounts SET floor = balance - held + 1 WHERE id = :account",
    ),
]
"""The check, the thing that it names, and what only a superuser could do."""


@pytest.fixture(scope="module")
def lived(servers: Servers, worker_number: int) -> Iterator[tuple[Database, Known]]:
    """Books in which one payment was made and one is on its way."""
    name = f"pettycash_books_w{worker_number}"
    own = servers.clone(name)
    compose_for(own)
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        paid, going = accepted(session), accepted(session)
        making.said(session, paid, proven(session, paid), Source.CALLBACK)
        session.flush()
        attempt = making.attempt_of(session, going).id
        store = books.store(session)
        known: dict[str, object] = {
            "company": session.info["scope"].company_id,
            "paid": paid.id,
            "going": going.id,
            "attempt": attempt,
            "hold": f"attempt:{attempt}",
            "requisition": paid.requisition_id,
            "store": store.id,
            "account": store.account_id,
        }
        for name_of, query in (
            ("entry", "SELECT id FROM journal_entries WHERE payment_id = :paid"),
            ("hold_id", "SELECT id FROM holds WHERE source = :hold"),
        ):
            known[name_of] = session.execute(text(query), known).scalar_one()
    db.dispose()
    yield own, known
    servers.drop(name)


@pytest.fixture
def damaged(lived: tuple[Database, Known]) -> Iterator[Session]:
    """Somebody who may do anything, whose work is undone."""
    own, known = lived
    engine = create_engine(own.superuser_url, poolclass=NullPool)
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(
            text("SELECT set_config('app.company', :company, true)"),
            {"company": str(known["company"])},
        )
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


def named(statement: str, known: Known) -> dict[str, object]:
    return {name: known[name] for name in known if f":{name}" in statement}


@pytest.mark.parametrize(
    ("check", "thing", "statement"),
    DAMAGE,
    ids=[f"{check}-{number}" for number, (check, _, _) in enumerate(DAMAGE)],
)
def test_damage_is_seen(
    lived: tuple[Database, Known], damaged: Session, check: str, thing: str, statement: str
) -> None:
    known = lived[1]
    assert check_books(damaged) == []

    done = damaged.execute(text(statement), named(statement, known))

    assert getattr(done, "rowcount", 0) >= 1, "nothing was damaged"
    found = {(each.check, UUID(each.object_id)) for each in check_books(damaged)}
    assert (check, known[thing]) in found
    only = check_books(damaged, only=frozenset({check}))
    assert {each.check for each in only} == {check}


def test_no_check_is_without_its_damage() -> None:
    assert {check for check, _, _ in DAMAGE} == set(CHECKS)


def test_a_case_is_word_enough_where_facts_went_below_the_floor(
    lived: tuple[Database, Known], damaged: Session
) -> None:
    known = lived[1]
    below = "UPDATE ledger_accounts SET floor = balance - held + 1 WHERE id = :account"
    damaged.execute(text(below), named(below, known))

    damaged.execute(
        text(
            "INSERT INTO cases (id, company_id, kind, severity, status, object_type, object_id,"
            " summary, evidence, version) VALUES (new_key(), :company, 'below_floor', 'warning',"
            " 'open', 'store', :store, 'x', '{}', 1)"
        ),
        {"company": known["company"], "store": known["store"]},
    )

    assert check_books(damaged) == []
