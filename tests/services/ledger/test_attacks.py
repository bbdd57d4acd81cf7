"""Plain SQL against the books: nothing is rewritten, nothing unbalanced is committed."""

import json
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.ledger import AccountKind
from pettycash.runtime import db
from pettycash.services.ledger import posting
from tests import books
from tests.posting import companies, owner, transfer
from tests.servers import Database

KES = Decimal


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
    posting.post(session, [transfer(session, "kept", "1.00")])

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
    with pytest.raises(DBAPIError) as refused, owner(live) as connection:
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
    company_id, other_id = companies(live)
    with db.scope(company_id=company_id):
        with pytest.raises(DBAPIError) as refused:
            _attack(attack, other_id)
        assert db.sqlstate(refused.value) == "PC003"
        with db.transaction() as session:
            assert not posting.is_posted(session, source="attack")


def test_a_balanced_entry_survives_a_change_of_company_before_commit(live: Database) -> None:
    """The check looks with the owner's eyes, so it neither misses nor invents a difference."""
    company_id, other_id = companies(live)
    with db.scope(company_id=company_id):
        with db.transaction() as session:
            posting.post(session, [transfer(session, "fine", "7.00")])
            session.execute(
                text("SELECT set_config('app.company', :id, true)"), {"id": str(other_id)}
            )
        with db.transaction() as session:
            assert posting.is_posted(session, source="fine")


def test_posting_needs_a_company(live: Database) -> None:
    with pytest.raises(DBAPIError) as refused, db.transaction() as session:
        session.execute(text("SELECT ledger_post('[]', '{}')"))

    assert db.sqlstate(refused.value) == "PC012"
