"""Double entry: what is posted balances, only grows, chains its balances, and survives races."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash import db
from pettycash.models.base import new_id
from pettycash.models.ledger import AccountKind, JournalEntry, Posting
from pettycash.models.organisation import Company
from pettycash.services import ledger
from pettycash.services.ledger import Entry, credit, debit
from tests import books
from tests.races import together
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


def test_an_entry_moves_both_accounts_and_says_so(session: Session) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    equity = books.account(session, AccountKind.EQUITY)
    before = books.balance(session, suspense.id), books.balance(session, equity.id)

    [entry_id] = ledger.post(session, [transfer(session, "t:1", "12.34")])

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

    ledger.post(session, [transfer(session, f"chain:{n}", f"{n}.50") for n in range(1, 6)])
    ledger.post(session, [transfer(session, "chain:6", "6.50")])

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

    ledger.post(
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
    session: Session, lines: Callable[[UUID, UUID], list[ledger.Line]]
) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    equity = books.account(session, AccountKind.EQUITY)

    with pytest.raises(ledger.Unbalanced):
        ledger.post(
            session, [transfer(session, "u", "1.00", postings=lines(suspense.id, equity.id))]
        )

    assert not ledger.is_posted(session, source="u")


def test_a_source_is_posted_once(session: Session) -> None:
    ledger.post(session, [transfer(session, "once", "5.00")])
    before = books.balance(session, books.account(session, AccountKind.SUSPENSE).id)

    with pytest.raises(ledger.AlreadyPosted):
        ledger.post(session, [transfer(session, "once", "5.00")])

    assert books.balance(session, books.account(session, AccountKind.SUSPENSE).id) == before


def test_another_currency_is_refused(session: Session) -> None:
    with pytest.raises(ledger.WrongAccount):
        ledger.post(session, [transfer(session, "usd", "5.00", currency="USD")])


def test_another_companys_account_is_refused(session: Session, database: Database) -> None:
    other = _account_of_other_company(database)

    with pytest.raises(ledger.WrongAccount):
        ledger.post(
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

    ledger.hold(
        session, account_id=where.account_id, source="h:1", currency="KES", amount=balance - held
    )
    with pytest.raises(ledger.InsufficientFunds):
        ledger.hold(
            session, account_id=where.account_id, source="h:2", currency="KES", amount=KES("0.01")
        )

    assert books.balance(session, where.account_id)[:2] == (balance, balance)


def test_a_hold_counts_the_expected_fee(session: Session) -> None:
    where = books.store(session)
    balance, _, _ = books.balance(session, where.account_id)

    with pytest.raises(ledger.InsufficientFunds):
        ledger.hold(
            session,
            account_id=where.account_id,
            source="h:fee",
            currency="KES",
            amount=balance,
            expected_fee=KES("0.01"),
        )
    ledger.hold(
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

    with pytest.raises(ledger.InsufficientFunds):
        ledger.hold(
            session, account_id=where.account_id, source="h:floor", currency="KES",
            amount=balance - KES("99.99"),
        )  # fmt: skip
    ledger.hold(
        session, account_id=where.account_id, source="h:floor", currency="KES",
        amount=balance - KES("100.00"),
    )  # fmt: skip


def test_a_posting_is_never_refused_for_the_floor(session: Session) -> None:
    where = books.store(session)
    balance, _, _ = books.balance(session, where.account_id)
    recoverable = books.account(session, AccountKind.RECOVERABLE)
    beyond = balance + KES("500.00")

    ledger.post(
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
    ledger.hold(
        session, account_id=where.account_id, source="h:close", currency="KES", amount=KES("70.00")
    )
    fees = books.account(session, AccountKind.FEES)

    ledger.post(
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
    with pytest.raises(ledger.HoldNotOpen):
        ledger.void_hold(session, source="h:close")


def test_a_void_hold_gives_the_money_back_once(session: Session) -> None:
    where = books.store(session)
    ledger.hold(
        session, account_id=where.account_id, source="h:void", currency="KES", amount=KES("70.00")
    )

    ledger.void_hold(session, source="h:void")

    assert books.balance(session, where.account_id)[1] == KES(0)
    with pytest.raises(ledger.HoldNotOpen):
        ledger.void_hold(session, source="h:void")


def test_a_refused_posting_leaves_its_hold_open(session: Session) -> None:
    where = books.store(session)
    ledger.hold(
        session, account_id=where.account_id, source="h:kept", currency="KES", amount=KES("70.00")
    )
    ledger.post(session, [transfer(session, "first", "1.00")])

    with pytest.raises(ledger.AlreadyPosted):
        ledger.post(session, [transfer(session, "first", "1.00")], close_holds=["h:kept"])

    assert books.balance(session, where.account_id)[1] == KES("70.00")


def test_a_closed_account_takes_no_holds(session: Session) -> None:
    where = books.store(session)
    session.execute(
        text("UPDATE ledger_accounts SET is_active = false WHERE id = :id"),
        {"id": where.account_id},
    )

    with pytest.raises(ledger.WrongAccount):
        ledger.hold(
            session, account_id=where.account_id, source="h:shut", currency="KES", amount=KES("1")
        )


def test_posting_takes_as_many_statements_for_forty_entries_as_for_one(session: Session) -> None:
    one = [transfer(session, "n:0", "1.00")]
    many = [transfer(session, f"n:{n}", "1.00") for n in range(1, 41)]

    assert _statements(session, lambda: ledger.post(session, many)) == _statements(
        session, lambda: ledger.post(session, one)
    )


def test_a_key_is_later_than_every_key_on_its_accounts(session: Session) -> None:
    """Another host's clock may run ahead of ours by hours."""
    suspense = books.account(session, AccountKind.SUSPENSE)
    ahead = UUID(int=(new_id().int >> 80) + 3_600_000 << 80 | 0x7FFF_8000_0000_0000_0000)
    payload = ledger._wire(transfer(session, "ahead", "1.00"), ahead)
    session.execute(
        text("SELECT ledger_post(CAST(:e AS jsonb), '{}')"), {"e": json.dumps([payload])}
    )

    [entry_id] = ledger.post(session, [transfer(session, "behind", "1.00")])

    assert ahead < entry_id
    newest = session.execute(
        select(Posting.entry_id)
        .where(Posting.account_id == suspense.id)
        .order_by(Posting.sequence.desc())
        .limit(1)
    ).scalar_one()
    assert newest == entry_id


# Plain SQL as the application role


@pytest.mark.parametrize(
    "statement",
    [
        f"{verb} {table}"
        for table in ("journal_entries", "postings", "journal_sources", "holds")
        for verb in ("DELETE FROM", "TRUNCATE")
    ]
    + [
        "UPDATE journal_entries SET description = 'x'",
        "UPDATE postings SET amount = amount + 1",
        "UPDATE journal_sources SET source = 'x'",
        "UPDATE holds SET amount = 1",
        "UPDATE ledger_accounts SET balance = 0",
        "UPDATE ledger_accounts SET held = 0",
        "UPDATE ledger_accounts SET sequence = 0",
        "DELETE FROM ledger_accounts",
        "INSERT INTO journal_sources SELECT * FROM journal_sources",
        "INSERT INTO postings SELECT * FROM postings",
        "INSERT INTO journal_entries SELECT * FROM journal_entries",
        "INSERT INTO holds SELECT * FROM holds",
        "INSERT INTO postings_rest SELECT * FROM postings",
    ],
)
def test_the_application_cant_rewrite_the_books(session: Session, statement: str) -> None:
    ledger.post(session, [transfer(session, "kept", "1.00")])

    with pytest.raises(DBAPIError) as refused, session.begin_nested():
        session.execute(text(statement))

    assert db.sqlstate(refused.value) == "42501"  # insufficient privilege


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entries SET description = 'x'",
        "DELETE FROM postings",
        "TRUNCATE journal_entries CASCADE",
        "UPDATE postings SET amount = amount",
        "DELETE FROM journal_sources",
    ],
)
def test_not_even_the_owner_rewrites_the_books(live: Database, statement: str) -> None:
    with pytest.raises(DBAPIError) as refused, _owner(live) as connection:
        connection.execute(text(statement))

    assert db.sqlstate(refused.value) == "PC002"


def _raw_entry(session: Session, source: str, lines: list[tuple[UUID, str, str]]) -> str:
    """What a caller of the SQL function would hand in without our checks."""
    return json.dumps(
        [
            {
                "id": str(new_id()), "source": source, "rule": "attack", "description": "attack",
                "occurred_at": session.info["now"].isoformat(), "currency": "KES",
                "postings": [
                    {"id": str(new_id()), "account_id": str(a), "side": side, "amount": amount}
                    for a, side, amount in lines
                ],
            }
        ]
    )  # fmt: skip


def _attack(attack: str, other_id: UUID) -> None:
    with db.transaction() as session:
        suspense = books.account(session, AccountKind.SUSPENSE).id
        equity = books.account(session, AccountKind.EQUITY).id
        lines = [(suspense, "debit", "100.00"), (equity, "credit", "1.00")]
        count = {"one posting": 1, "none": 0}.get(attack, 2)
        session.execute(
            text("SELECT ledger_post(CAST(:e AS jsonb), '{}')"),
            {"e": _raw_entry(session, "attack", lines[:count])},
        )
        if attack == "change of company":
            # Row security would hide the postings from a check with the caller's eyes.
            session.execute(
                text("SELECT set_config('app.company', :id, true)"), {"id": str(other_id)}
            )


@pytest.mark.parametrize("attack", ["unbalanced", "one posting", "none", "change of company"])
def test_commit_refuses_what_does_not_balance(live: Database, attack: str) -> None:
    company_id, other_id = _companies(live)
    with db.scope(company_id=company_id):
        with pytest.raises(DBAPIError) as refused:
            _attack(attack, other_id)
        assert db.sqlstate(refused.value) == "PC003"
        with db.transaction() as session:
            assert not ledger.is_posted(session, source="attack")


def test_a_balanced_entry_survives_a_change_of_company_before_commit(live: Database) -> None:
    """The check looks with the owner's eyes, so it neither misses nor invents a difference."""
    company_id, other_id = _companies(live)
    with db.scope(company_id=company_id):
        with db.transaction() as session:
            ledger.post(session, [transfer(session, "fine", "7.00")])
            session.execute(
                text("SELECT set_config('app.company', :id, true)"), {"id": str(other_id)}
            )
        with db.transaction() as session:
            assert ledger.is_posted(session, source="fine")


def test_posting_needs_a_company(live: Database) -> None:
    with pytest.raises(DBAPIError) as refused, db.transaction() as session:
        session.execute(text("SELECT ledger_post('[]', '{}')"))

    assert db.sqlstate(refused.value) == "PC012"


# Races on real connections


def test_fifty_threads_want_the_last_shilling_and_one_gets_it(live: Database) -> None:
    company_id, _ = _companies(live)
    with db.scope(company_id=company_id), db.transaction() as session:
        where = books.store(session).account_id
        balance, held, _ = books.balance(session, where)
        ledger.hold(
            session, account_id=where, source="rest", currency="KES",
            amount=balance - held - KES("1.00"),
        )  # fmt: skip

    def take(number: int) -> None:
        db.in_transaction(
            lambda session: ledger.hold(
                session, account_id=where, source=f"last:{number}", currency="KES",
                amount=KES("1.00"),
            )
        )  # fmt: skip

    with db.scope(company_id=company_id):
        results = together([partial(take, number) for number in range(50)])

    assert [type(each) for each in results].count(ledger.InsufficientFunds) == 49
    assert results.count(None) == 1
    with db.scope(company_id=company_id), db.transaction() as session:
        assert books.balance(session, where)[:2] == (balance, balance)
        open_holds = session.execute(
            text("SELECT sum(amount + expected_fee) FROM holds WHERE state = 'open'")
        ).scalar_one()
        assert open_holds == balance


def test_one_source_posted_by_two_connections_stands_once(live: Database) -> None:
    company_id, _ = _companies(live)

    def post() -> None:
        with db.transaction() as session:
            ledger.post(session, [transfer(session, "race", "9.00")])

    with db.scope(company_id=company_id):
        results = together([post, post])

    assert {type(each) for each in results} == {type(None), ledger.AlreadyPosted}
    with db.scope(company_id=company_id), db.transaction() as session:
        rows = session.execute(select(JournalEntry.id).where(JournalEntry.source == "race"))
        assert len(rows.all()) == 1


def test_two_connections_in_opposite_order_do_not_deadlock(live: Database) -> None:
    company_id, _ = _companies(live)

    def work(number: int) -> None:
        for turn in range(25):
            with db.transaction() as session:
                entries = [
                    transfer(session, f"{number}:{turn}:a", "1.00"),
                    transfer(session, f"{number}:{turn}:b", "2.00"),
                ]
                ledger.post(session, entries if number else entries[::-1])

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
        ledger.post(session, [transfer(session, "crash", "3.00")])
        raise KeyboardInterrupt


def test_a_crash_before_commit_leaves_nothing(live: Database) -> None:
    company_id, _ = _companies(live)
    with db.scope(company_id=company_id):
        with db.transaction() as session:
            suspense = books.account(session, AccountKind.SUSPENSE).id
            before = books.balance(session, suspense)
        with pytest.raises(KeyboardInterrupt):
            _post_and_die()
        with db.transaction() as session:
            assert not ledger.is_posted(session, source="crash")
            assert books.balance(session, suspense) == before


def test_an_entry_of_long_ago_is_dated_when_it_happened(session: Session) -> None:
    """Accounting dates are company time: 22:30 UTC is the next day in Nairobi."""
    [entry_id] = ledger.post(
        session,
        [transfer(session, "old", "1.00", occurred_at=datetime(2026, 3, 31, 22, 30, tzinfo=UTC))],
    )

    found = session.execute(select(JournalEntry).where(JournalEntry.id == entry_id)).scalar_one()
    assert found.accounting_date.isoformat() == "2026-04-01"
    assert found.recorded_at - found.occurred_at > timedelta(days=1)


def _companies(database: Database) -> tuple[UUID, UUID]:
    with _owner(database) as connection:
        rows = connection.execute(
            select(Company.code, Company.id).where(Company.code.in_(("DEMO", "OTHER")))
        )
        found = {row.code: row.id for row in rows}
    return found["DEMO"], found["OTHER"]


def _account_of_other_company(database: Database) -> UUID:
    with _owner(database) as connection:
        return connection.execute(
            text(
                "SELECT a.id FROM ledger_accounts a JOIN companies c ON c.id = a.company_id"
                " WHERE c.code = 'OTHER' AND a.kind = 'equity' AND a.currency = 'KES'"
            )
        ).scalar_one()


@contextmanager
def _owner(database: Database) -> Iterator[Connection]:
    engine = create_engine(database.owner_url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _statements(session: Session, work: Callable[[], object]) -> int:
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
