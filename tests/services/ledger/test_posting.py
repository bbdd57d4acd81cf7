"""Double entry: what is posted balances, only grows, chains its balances, and survives races."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.ledger import AccountKind, JournalEntry, Posting
from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db
from pettycash.services.foundation import outbox
from pettycash.services.ledger import posting
from pettycash.services.ledger.posting import credit, debit
from tests import books
from tests.factories.people import company_id
from tests.posting import account_of_other_company, owner, statements, transfer
from tests.servers import Database

KES = Decimal


def test_an_entry_moves_both_accounts_and_says_so(session: Session) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    equity = books.account(session, AccountKind.EQUITY)
    before = books.balance(session, suspense.id), books.balance(session, equity.id)

    [entry_id] = posting.post(session, [transfer(session, "t:1", "12.34")])

    after = books.balance(session, suspense.id), books.balance(session, equity.id)
    assert after[0] == (before[0][0] + KES("12.34"), KES(0), before[0][2] + 1)
    assert after[1] == (before[1][0] - KES("12.34"), KES(0), before[1][2] + 1)
    entry = session.execute(select(JournalEntry).where(JournalEntry.id == entry_id)).scalar_one()
    assert (entry.source, entry.rule) == ("t:1", "test")
    lines = session.execute(
        select(Posting).where(Posting.entry_id == entry_id).order_by(Posting.id)
    ).scalars()
    assert [(line.side, line.balance_after) for line in lines] == [
        ("debit", after[0][0]),
        ("credit", after[1][0]),
    ]


def test_each_posting_continues_the_balance_before_it(session: Session) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    start, _, first = books.balance(session, suspense.id)

    posting.post(session, [transfer(session, f"chain:{n}", f"{n}.50") for n in range(1, 6)])
    posting.post(session, [transfer(session, "chain:6", "6.50")])

    rows = session.execute(
        select(Posting.sequence, Posting.amount, Posting.balance_after, Posting.entry_id)
        .where(Posting.account_id == suspense.id, Posting.sequence > first)
        .order_by(Posting.sequence)
    ).all()
    running = start
    for number, row in enumerate(rows, start=first + 1):
        running += row.amount
        assert (row.sequence, row.balance_after) == (number, running)
    assert [row.entry_id for row in rows] == sorted(row.entry_id for row in rows)


def test_two_postings_of_one_entry_on_one_account_keep_their_order(session: Session) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    equity = books.account(session, AccountKind.EQUITY)
    start, _, first = books.balance(session, suspense.id)

    posting.post(
        session,
        [
            transfer(
                session, "twice", "1.00",
                postings=[
                    debit(suspense.id, KES("5.00")),
                    credit(equity.id, KES("3.00")),
                    credit(suspense.id, KES("2.00")),
                ],
            )
        ],
    )  # fmt: skip

    rows = session.execute(
        select(Posting.id, Posting.balance_after)
        .where(Posting.account_id == suspense.id, Posting.sequence > first)
        .order_by(Posting.sequence)
    ).all()
    assert [row.balance_after - start for row in rows] == [KES("5.00"), KES("3.00")]
    assert rows[0].id < rows[1].id


@pytest.mark.parametrize(
    "lines",
    [
        lambda a, b: [debit(a, KES("10.00")), credit(b, KES("9.99"))],
        lambda a, _: [debit(a, KES("10.00"))],
        lambda _a, _b: [],
    ],
)
def test_an_entry_that_does_not_balance_is_refused_before_it_is_written(
    session: Session, lines: Callable[[UUID, UUID], list[posting.PostingLine]]
) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    equity = books.account(session, AccountKind.EQUITY)

    with pytest.raises(posting.Unbalanced):
        posting.post(
            session, [transfer(session, "u", "1.00", postings=lines(suspense.id, equity.id))]
        )

    assert not posting.is_posted(session, source="u")


def test_a_source_is_posted_once(session: Session) -> None:
    posting.post(session, [transfer(session, "once", "5.00")])
    before = books.balance(session, books.account(session, AccountKind.SUSPENSE).id)

    with pytest.raises(posting.AlreadyPosted), session.begin_nested():
        posting.post(session, [transfer(session, "once", "5.00")])

    assert books.balance(session, books.account(session, AccountKind.SUSPENSE).id) == before


def test_another_currency_is_refused(session: Session) -> None:
    with pytest.raises(posting.WrongAccount):
        posting.post(session, [transfer(session, "usd", "5.00", currency="USD")])


def test_another_companys_account_is_refused(session: Session, database: Database) -> None:
    other = account_of_other_company(database)

    with pytest.raises(posting.WrongAccount):
        posting.post(
            session,
            [
                transfer(
                    session, "theirs", "5.00",
                    postings=[
                        debit(books.account(session, AccountKind.SUSPENSE).id, KES("5.00")),
                        credit(other, KES("5.00")),
                    ],
                )
            ],
        )  # fmt: skip


def test_a_hold_takes_what_is_available_and_no_more(session: Session) -> None:
    where = books.store(session)
    balance, held, _ = books.balance(session, where.account_id)

    posting.hold(
        session, account_id=where.account_id, source="h:1", currency="KES", amount=balance - held
    )
    with pytest.raises(posting.InsufficientFunds), session.begin_nested():
        posting.hold(
            session, account_id=where.account_id, source="h:2", currency="KES", amount=KES("0.01")
        )

    assert books.balance(session, where.account_id)[:2] == (balance, balance)


def test_a_hold_counts_the_expected_fee(session: Session) -> None:
    where = books.store(session)
    balance, _, _ = books.balance(session, where.account_id)

    with pytest.raises(posting.InsufficientFunds), session.begin_nested():
        posting.hold(
            session,
            account_id=where.account_id,
            source="h:fee",
            currency="KES",
            amount=balance,
            expected_fee=KES("0.01"),
        )
    posting.hold(
        session,
        account_id=where.account_id,
        source="h:fee",
        currency="KES",
        amount=balance - KES("1.00"),
        expected_fee=KES("1.00"),
    )

    assert books.balance(session, where.account_id)[1] == balance


def test_a_hold_stops_at_the_floor(session: Session) -> None:
    where = books.store(session)
    session.execute(
        text("UPDATE ledger_accounts SET floor = 100 WHERE id = :id"), {"id": where.account_id}
    )
    balance, _, _ = books.balance(session, where.account_id)

    with pytest.raises(posting.InsufficientFunds), session.begin_nested():
        posting.hold(
            session, account_id=where.account_id, source="h:floor", currency="KES",
            amount=balance - KES("99.99"),
        )  # fmt: skip
    posting.hold(
        session, account_id=where.account_id, source="h:floor", currency="KES",
        amount=balance - KES("100.00"),
    )  # fmt: skip


def test_a_posting_is_never_refused_for_the_floor(session: Session) -> None:
    where = books.store(session)
    balance, _, _ = books.balance(session, where.account_id)
    recoverable = books.account(session, AccountKind.RECOVERABLE)
    beyond = balance + KES("500.00")

    posting.post(
        session,
        [
            transfer(
                session, "late", "1.00",
                postings=[debit(recoverable.id, beyond), credit(where.account_id, beyond)],
            )
        ],
    )  # fmt: skip

    assert books.balance(session, where.account_id)[0] == KES("-500.00")


def test_posting_closes_the_hold_in_the_same_call(session: Session) -> None:
    where = books.store(session)
    balance, _, _ = books.balance(session, where.account_id)
    posting.hold(
        session, account_id=where.account_id, source="h:close", currency="KES", amount=KES("70.00")
    )
    fees = books.account(session, AccountKind.FEES)

    posting.post(
        session,
        [
            transfer(
                session, "closing", "70.00",
                postings=[debit(fees.id, KES("70.00")), credit(where.account_id, KES("70.00"))],
            )
        ],
        close_holds=["h:close"],
    )  # fmt: skip

    assert books.balance(session, where.account_id)[:2] == (balance - KES("70.00"), KES(0))
    with pytest.raises(posting.HoldNotOpen):
        posting.void_hold(session, source="h:close")


def test_a_void_hold_gives_the_money_back_once(session: Session) -> None:
    where = books.store(session)
    posting.hold(
        session, account_id=where.account_id, source="h:void", currency="KES", amount=KES("70.00")
    )

    posting.void_hold(session, source="h:void")

    assert books.balance(session, where.account_id)[1] == KES(0)
    with pytest.raises(posting.HoldNotOpen):
        posting.void_hold(session, source="h:void")


def test_a_refused_posting_leaves_its_hold_open(session: Session) -> None:
    where = books.store(session)
    posting.hold(
        session, account_id=where.account_id, source="h:kept", currency="KES", amount=KES("70.00")
    )
    posting.post(session, [transfer(session, "first", "1.00")])

    with pytest.raises(posting.AlreadyPosted), session.begin_nested():
        posting.post(session, [transfer(session, "first", "1.00")], close_holds=["h:kept"])

    assert books.balance(session, where.account_id)[1] == KES("70.00")


def test_an_entry_completes_its_message_in_the_same_call(session: Session) -> None:
    kept, done, other = new_id(), new_id(), new_id()
    for topic, key in (("fees.learn", done), ("fees.learn", kept), ("fees.tell", other)):
        outbox.enqueue(session, topic=topic, key=key)
    fulfils = posting.Fulfilled(topic="fees.learn", keys=[done, other])

    posting.post(session, [transfer(session, "owed", "1.00")], fulfils=fulfils)

    assert still_owed(session) >= {kept, other}
    assert done not in still_owed(session)


def test_a_refused_posting_leaves_its_message_open(session: Session) -> None:
    key = new_id()
    outbox.enqueue(session, topic="fees.learn", key=key)
    fulfils = posting.Fulfilled(topic="fees.learn", keys=[key])
    posting.post(session, [transfer(session, "owed once", "1.00")])

    with pytest.raises(posting.AlreadyPosted), session.begin_nested():
        posting.post(session, [transfer(session, "owed once", "1.00")], fulfils=fulfils)

    assert key in still_owed(session)


def still_owed(session: Session) -> set[UUID]:
    """The keys of the company's outbox messages."""
    rows = session.execute(select(OutboxMessage.key).where(OutboxMessage.completed_at.is_(None)))
    return set(rows.scalars())


def test_a_closed_account_takes_no_holds(session: Session) -> None:
    where = books.store(session)
    session.execute(
        text("UPDATE ledger_accounts SET is_active = false WHERE id = :id"),
        {"id": where.account_id},
    )

    with pytest.raises(posting.WrongAccount):
        posting.hold(
            session, account_id=where.account_id, source="h:shut", currency="KES", amount=KES("1")
        )


def test_posting_takes_as_many_statements_for_forty_entries_as_for_one(session: Session) -> None:
    one = [transfer(session, "n:0", "1.00")]
    many = [transfer(session, f"n:{n}", "1.00") for n in range(1, 41)]

    assert statements(session, lambda: posting.post(session, many)) == statements(
        session, lambda: posting.post(session, one)
    )


def test_a_key_is_later_than_every_key_on_its_accounts(live: Database) -> None:
    """The database's clock may have been set back, or be another server's by now."""
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with owner(live) as connection:
            ahead = connection.execute(
                text(
                    "UPDATE ledger_accounts SET newest_entry_id ="
                    " uuid_of_instant(now() + interval '10 minutes')"
                    " WHERE kind = 'suspense' RETURNING newest_entry_id"
                )
            ).scalars()
            newest = max(ahead)
        with db.transaction() as session:
            first, second = (
                posting.post(session, [transfer(session, f"behind:{n}", "1.00")])[0]
                for n in range(2)
            )

    assert newest < first < second


def test_an_entry_of_long_ago_is_dated_when_it_happened(session: Session) -> None:
    """Accounting dates are company time: 22:30 UTC is the next day in Nairobi."""
    [entry_id] = posting.post(
        session,
        [transfer(session, "old", "1.00", occurred_at=datetime(2026, 3, 31, 22, 30, tzinfo=UTC))],
    )

    found = session.execute(select(JournalEntry).where(JournalEntry.id == entry_id)).scalar_one()
    assert found.accounting_date.isoformat() == "2026-04-01"
    assert found.recorded_at - found.occurred_at > timedelta(days=1)


def whole_reads(session: Session) -> dict[str, int]:
    """How often this connection has read a whole table of the books, and which."""
    counted = session.execute(
        text(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE seq_scan > 0"
            " AND relname ~ '^(holds|journal|ledger|postings)'"
        )
    )
    return {row.relname: row.seq_scan for row in counted}


def test_holding_and_posting_read_no_whole_table_however_small_it_is(
    session: Session, database: Database
) -> None:
    with owner(database) as connection:  # told that they are small, the planner would rather
        connection.execute(text("ANALYZE holds, journal_sources, journal_entries, postings"))
    where = books.store(session)
    before = whole_reads(session)

    posting.hold(
        session, account_id=where.account_id, source="h:1", currency="KES", amount=KES("1.00")
    )
    posting.post(session, [transfer(session, "plan:1", "1.00")], close_holds=["h:1"])
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # what the commit would check

    assert whole_reads(session) == before
