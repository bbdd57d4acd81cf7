"""What two people decide has two people in the database, whatever a program says."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from pettycash.models.base import Base, Decidable
from pettycash.services.foundation.uow import Uow
from tests.factories.people import acting, user_id
from tests.models.catalogue import connected, rows
from tests.models.test_duties import refused
from tests.servers import Database
from tests.services.foundation.test_decisions import PLAYS, kind_of

KEPT = ("PC007", "PC009")

APART = """
    SELECT c.relname::text, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype = 'c' AND k.conname = 'ck_' || c.relname || '_two_people'
        AND pg_get_constraintdef(k.oid) LIKE '%decided_by%'
"""
MEMBERS = """
    SELECT c.relname::text, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f'
"""
COLUMNS = """
    SELECT c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attname = 'proposed_at' AND c.relkind = 'r' AND NOT a.attisdropped
"""


def decidable() -> dict[str, type[Decidable]]:
    found = (each.class_ for each in Base.registry.mappers)
    return {each.__tablename__: each for each in found if issubclass(each, Decidable)}


def test_each_table_keeps_the_two_apart(database: Database) -> None:
    with connected(database.owner_url) as owner:
        apart = dict(rows(owner, APART))
        proposed = {table for (table,) in rows(owner, COLUMNS)}

    assert decidable().keys() == apart.keys() == proposed
    for table, model in decidable().items():
        but = "" if model.own_end is None else f"status::text = '{model.own_end}'::text OR "
        said = apart[table].replace("(", "").replace(")", "")
        assert said == f"CHECK {but}decided_by <> proposed_by", table


def test_both_are_members_of_the_company(database: Database) -> None:
    with connected(database.owner_url) as owner:
        kept = set(rows(owner, MEMBERS))

    for table in decidable():
        for column in ("proposed_by", "decided_by"):
            words = (
                f"FOREIGN KEY (company_id, {column}) REFERENCES memberships(company_id, user_id)"
            )
            assert (table, f"{words} ON DELETE RESTRICT") in kept, (table, column)


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_what_was_decided_stands_in_plain_sql(session: Session, name: str) -> None:
    """Who said what, and when: the story of a fund's money is told by these instants."""
    play = PLAYS[name]
    row = play.proposed(Uow.of(session, acting(session, play.proposer)))
    session.flush()
    play.accept(Uow.of(session, acting(session, play.decider)), row)
    other, table = user_id(session, "ceo"), row.__tablename__
    day_before = session.info["now"] - timedelta(days=1)
    forged = [
        *kind_of(name).waits.items(),
        *[(column, other) for column in ("proposed_by", "decided_by")],
        *[(column, day_before) for column in ("proposed_at", "decided_at")],
    ]
    if table != "replenishments":  # one that was approved is cancelled for a reason
        forged.append(("decision_reason", "Never."))

    for column, value in forged:
        statement = f"UPDATE {table} SET {column} = :value WHERE id = :id"
        assert refused(session, statement, value=value, id=row.id) in KEPT, column
