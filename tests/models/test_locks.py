"""Rows are locked without their keys: a foreign key to a locked row never waits."""

import re
from pathlib import Path

import pettycash
from tests.models.catalogue import connected, rows
from tests.servers import Database

SOURCE = Path(pettycash.__file__).parent

WITH_KEYS = re.compile(
    r"\bFOR\s+UPDATE\b"
    r"|with_for_update=(?!\{\"key_share\": True\})"
    r"|with_for_update\((?![^()]*\bkey_share=True)",
    re.IGNORECASE,
)
"""What locks a row so that nobody may refer to it."""

FUNCTIONS = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"


def test_code_locks_rows_without_their_keys() -> None:
    found = {
        f"{path.relative_to(SOURCE)}: {match.group()}"
        for path in SOURCE.rglob("*.py")
        for match in WITH_KEYS.finditer(path.read_text())
    }

    assert found == set()


def test_functions_of_the_database_lock_rows_without_their_keys(database: Database) -> None:
    with connected(database.owner_url) as owner:
        functions = dict(rows(owner, FUNCTIONS))

    assert "FOR NO KEY UPDATE" in functions["ledger_post"]
    assert {name for name, body in functions.items() if WITH_KEYS.search(body)} == set()


def test_a_lock_of_keys_is_found() -> None:
    for text in (
        "SELECT 1 FROM t WHERE id = 1 FOR UPDATE",
        "select 1 from t for update skip locked",
        "session.get(Case, key, with_for_update=True)",
        "query.with_for_update()",
        "query.with_for_update(of=[Payment], nowait=True)",
    ):
        assert WITH_KEYS.search(text), text
