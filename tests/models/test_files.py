"""Nothing stands in the database but what its files say; docs/schema.sql says all of it."""

import pytest

from migrations import files
from pettycash.stack import schema_text
from tests import documents
from tests.models.catalogue import Connection, connected, name, refusal, rows, sql
from tests.schema import PAGE
from tests.servers import Database

FUNCTIONS = """
    SELECT p.proname::text, pg_get_functiondef(p.oid), p.proacl::text
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql') ORDER BY 1
"""
TRIGGERS = """
    SELECT c.relname::text, t.tgname::text, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND NOT c.relispartition ORDER BY 1, 2
"""
NEEDED = {"current_company"}
"""Functions of policies: these are replaced, not made anew."""


def run(owner: Connection, kind: str) -> None:
    """Run every file of a folder as a migration would."""
    rows(owner, "SELECT set_config('check_function_bodies', 'off', false)")
    for path in sorted((files.SQL / kind).glob("*.sql")):
        assert refusal(owner, path.read_text("utf-8")) is None, path


def test_each_function_stands_in_the_file_of_its_name(database: Database) -> None:
    with connected(database.owner_url) as owner:
        found = [function for function, *_ in rows(owner, FUNCTIONS)]

    assert found == sorted(
        path.stem for kind in ("functions", "triggers") for path in (files.SQL / kind).glob("*.sql")
    )
    kinds = [path.stem for each in files.FOLDERS for path in (files.SQL / each).glob("*.sql")]
    assert len(kinds) == len(set(kinds)), "files are installed by their names"


def test_the_files_make_all_functions_and_triggers_that_there_are(database: Database) -> None:
    """Dropped and installed again, they are what they were, to the last setting and privilege."""
    with connected(database.owner_url) as owner:
        owner.autocommit = False
        functions, triggers = rows(owner, FUNCTIONS), rows(owner, TRIGGERS)
        for table, trigger, _ in triggers:
            drop = sql.SQL("DROP TRIGGER {} ON {}").format(name(trigger), name(table))
            assert refusal(owner, drop) is None
        for function, *_ in functions:
            if function not in NEEDED:
                drop = sql.SQL("DROP FUNCTION {}").format(name(function))
                assert refusal(owner, drop) is None
        run(owner, "functions")
        run(owner, "triggers")
        made = rows(owner, FUNCTIONS), rows(owner, TRIGGERS)
        # A file can be run again: a migration names it when it has changed.
        run(owner, "functions")
        run(owner, "triggers")
        again = rows(owner, FUNCTIONS), rows(owner, TRIGGERS)
        owner.rollback()

    assert made == (functions, triggers)
    assert again == made


@pytest.mark.parametrize("table", documents.render_rows())
def test_what_triggers_read_is_what_the_program_knows(table: str) -> None:
    written = (documents.ROWS / f"{table}.sql").read_text(encoding="utf-8")

    assert written == documents.render_rows()[table], (
        "run `python -m tests.documents`, and let a migration install it"
    )


def test_the_page_of_the_schema_is_up_to_date(database: Database) -> None:
    assert PAGE.read_text(encoding="utf-8") == schema_text.of(database.owner_url), (
        "run `python -m tests.schema`"
    )
