"""Duties and roles that exclude each other: module, tables and reviewed file say the same."""

import pytest

from pettycash.services.foundation import duties
from tests.models.catalogue import connected, refusal, rows
from tests.security import golden
from tests.servers import Database


def test_the_pairs_are_those_that_were_reviewed() -> None:
    assert golden.DUTIES.read_text(encoding="utf-8") == golden.render_duties(), (
        "what excludes each other has changed: review it, run `python -m tests.security.golden`,"
        " and let a migration write the tables anew"
    )


@pytest.mark.parametrize(
    ("table", "pairs"),
    [("duty_pairs", duties.PAIRS), ("incompatible_roles", duties.INCOMPATIBLE_ROLES)],
    ids=["duty_pairs", "incompatible_roles"],
)
def test_the_database_knows_the_same_pairs_in_both_directions(
    database: Database, table: str, pairs: frozenset[frozenset[str]]
) -> None:
    with connected(database.owner_url) as owner:
        known = rows(owner, f"SELECT * FROM {table}")

    assert set(known) == {
        (one, other) for pair in pairs for one in pair for other in pair if one != other
    }


@pytest.mark.parametrize("table", ["duty_pairs", "incompatible_roles"])
def test_the_application_changes_no_pair(database: Database, table: str) -> None:
    with connected(database.app_url) as app:
        assert refusal(app, f"DELETE FROM {table}") == "42501"
        assert refusal(app, f"INSERT INTO {table} VALUES ('a', 'b')") == "42501"
