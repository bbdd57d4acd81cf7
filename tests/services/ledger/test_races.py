"""The ledger under races and crashes, on real connections."""

from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import select, text

from pettycash.models.ledger import AccountKind, JournalEntry, Posting
from pettycash.runtime import db
from pettycash.services.ledger import posting
from tests import books
from tests.posting import companies, transfer
from tests.races import together
from tests.servers import Database

KES = Decimal


def test_fifty_threads_want_the_last_shilling_and_one_gets_it(live: Database) -> None:
    company_id, _ = companies(live)
    with db.scope(company_id=company_id), db.transaction() as session:
        where = books.store(session).account_id
        balance, held, _ = books.balance(session, where)
        posting.hold(
            session, account_id=where, source="rest", currency="KES",
            amount=balance - held - KES("1.00"),
        )  # fmt: skip

    def take(number: int) -> None:
        db.in_transaction(
            lambda session: posting.hold(
                session, account_id=where, source=f"last:{number}", currency="KES",
                amount=KES("1.00"),
            )
        )  # fmt: skip

    with db.scope(company_id=company_id):
        results = together([partial(take, number) for number in range(50)])

    assert [type(each) for each in results].count(posting.InsufficientFunds) == 49
    assert results.count(None) == 1
    with db.scope(company_id=company_id), db.transaction() as session:
        assert books.balance(session, where)[:2] == (balance, balance)
        open_holds = session.execute(
            text("SELECT sum(amount + expected_fee) FROM holds WHERE state = 'open'")
        ).scalar_one()
        assert open_holds == balance


def test_one_source_posted_by_two_connections_stands_once(live: Database) -> None:
    company_id, _ = companies(live)

    def post() -> None:
        with db.transaction() as session:
            posting.post(session, [transfer(session, "race", "9.00")])

    with db.scope(company_id=company_id):
        results = together([post, post])

    assert {type(each) for each in results} == {type(None), posting.AlreadyPosted}
    with db.scope(company_id=company_id), db.transaction() as session:
        rows = session.execute(select(JournalEntry.id).where(JournalEntry.source == "race"))
        assert len(rows.all()) == 1


def test_two_connections_in_opposite_order_do_not_deadlock(live: Database) -> None:
    company_id, _ = companies(live)

    def work(number: int) -> None:
        for turn in range(25):
            with db.transaction() as session:
                entries = [
                    transfer(session, f"{number}:{turn}:a", "1.00"),
                    transfer(session, f"{number}:{turn}:b", "2.00"),
                ]
                posting.post(session, entries if number else entries[::-1])

    with db.scope(company_id=company_id):
        assert together([partial(work, 0), partial(work, 1)]) == [None, None]

    with db.scope(company_id=company_id), db.transaction() as session:
        suspense = books.account(session, AccountKind.SUSPENSE)
        assert books.balance(session, suspense.id) == (KES("150.00"), KES(0), 100)
        chain = session.execute(
            select(Posting.balance_after, Posting.amount, Posting.entry_id)
            .where(Posting.account_id == suspense.id)
            .order_by(Posting.sequence)
        ).all()
    assert [row.entry_id for row in chain] == sorted(row.entry_id for row in chain)
    running = KES(0)
    for row in chain:
        running += row.amount
        assert row.balance_after == running


def _post_and_die() -> None:
    with db.transaction() as session:
        posting.post(session, [transfer(session, "crash", "3.00")])
        raise KeyboardInterrupt


def test_a_crash_before_commit_leaves_nothing(live: Database) -> None:
    company_id, _ = companies(live)
    with db.scope(company_id=company_id):
        with db.transaction() as session:
            suspense = books.account(session, AccountKind.SUSPENSE).id
            before = books.balance(session, suspense)
        with pytest.raises(KeyboardInterrupt):
            _post_and_die()
        with db.transaction() as session:
            assert not posting.is_posted(session, source="crash")
            assert books.balance(session, suspense) == before
