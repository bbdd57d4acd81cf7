"""Migrations lead from nothing to the models and back, and say the same as the models do."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, text

from migrations import files
from pettycash.api import health
from pettycash.models import Base
from pettycash.runtime import settings
from pettycash.stack import schema
from pettycash.stack.state import ROOT
from tests.models import catalogue
from tests.models.catalogue import connected, rows
from tests.patience import budget
from tests.servers import Database, Servers

NOT_IN_THE_MODELS = {
    "partitioned_tables",
    "allowed_transitions",
    "alembic_version",
    "duty_pairs",
    "incompatible_roles",
}
"""Tables that only the database itself reads."""

ONLY_IN_MIGRATIONS = {"ex_approval_thresholds_overlap"}
"""Constraints that SQLAlchemy has no words for."""

COLUMNS = r"""
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        regexp_replace(pg_get_expr(d.adbin, d.adrelid), '^''([0-9]+)''::\w+$', '\1'),
        a.attidentity, a.attgenerated
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
"""
CONSTRAINTS = """
    SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND k.contype <> 'n'
        AND k.contype <> 't' AND k.conparentid = 0
"""
INDEXES = """
    SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid)
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
"""
LEFT_OVERS = """
    SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'relation', relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
    UNION ALL
    SELECT 'type', typname::text FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('r', 'e', 'd', 'm')
"""


@pytest.fixture
def empty(servers: Servers, worker_number: int) -> Iterator[Database]:
    """A database without anything in it."""
    name = f"pettycash_empty_w{worker_number}"
    servers.drop(name)
    servers.postgres.make_database(name)
    yield servers.database(name)
    servers.drop(name)


def _script() -> ScriptDirectory:
    settings = Config(str(ROOT / "migrations" / "alembic.ini"))
    settings.set_main_option("script_location", str(ROOT / "migrations"))
    return ScriptDirectory.from_config(settings)


def test_there_is_one_head_and_the_numbers_have_no_gap() -> None:
    script = _script()
    revisions = sorted(each.revision for each in script.walk_revisions())

    assert len(script.get_heads()) == 1
    assert revisions == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    numbers = sorted(Path(each.path).name[:4] for each in script.walk_revisions())
    assert numbers == revisions


def test_autogenerate_finds_nothing_to_do(database: Database) -> None:
    engine = create_engine(database.owner_url)
    with engine.connect() as connection:
        partitions = {
            name
            for (name,) in connection.execute(
                text("SELECT relname FROM pg_class WHERE relispartition")
            )
        }

        def is_ours(item: Any, name: str | None, kind: str, *_: object) -> bool:
            if kind == "foreign_key_constraint":
                # PostgreSQL keeps one more for each partition that the key may lead to.
                return item.elements[0].target_fullname.split(".")[0] not in partitions
            table = getattr(getattr(item, "table", None), "name", name)
            return table not in NOT_IN_THE_MODELS | partitions

        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": is_ours}
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert differences == []


def test_models_and_migrations_make_the_same_tables(database: Database, empty: Database) -> None:
    """Also what autogenerate does not compare: checks, defaults, partial indexes, identities."""
    engine = create_engine(empty.owner_url)
    Base.metadata.create_all(engine)
    engine.dispose()

    for query in (COLUMNS, CONSTRAINTS, INDEXES):
        with connected(database.owner_url) as migrated, connected(empty.owner_url) as modelled:
            by_migrations = {
                row
                for row in rows(migrated, query)
                if row[0] not in NOT_IN_THE_MODELS and row[1] not in ONLY_IN_MIGRATIONS
            }
            by_models = set(rows(modelled, query))
        assert by_migrations - by_models == set()
        assert by_models - by_migrations == set()
        assert by_models


def test_every_migration_goes_up_down_and_up_again(empty: Database) -> None:
    revisions = [each.revision for each in reversed(list(_script().walk_revisions()))]

    for revision in revisions:
        schema.upgrade(empty.owner_url, revision)
        schema.downgrade(empty.owner_url, "-1")
        schema.upgrade(empty.owner_url, revision)

    assert schema.current(empty.owner_url) == revisions[-1]
    with connected(empty.owner_url) as owner:
        assert set(Base.metadata.tables) <= set(catalogue.tables(owner))


def test_going_all_the_way_down_leaves_nothing(empty: Database) -> None:
    schema.upgrade(empty.owner_url)

    schema.downgrade(empty.owner_url, "base")

    with connected(empty.owner_url) as owner:
        assert rows(owner, LEFT_OVERS) == [("relation", "alembic_version")]
    schema.upgrade(empty.owner_url)
    assert schema.current(empty.owner_url) == _script().get_current_head()


def test_the_api_knows_the_newest_migration_by_the_name_of_its_file() -> None:
    assert health.head() == _script().get_current_head()
    for each in _script().walk_revisions():
        assert Path(each.path).name.startswith(f"{each.revision}_"), each.path


def test_a_second_upgrade_has_nothing_to_do(database: Database) -> None:
    before = schema.current(database.owner_url)

    schema.upgrade(database.owner_url)

    assert schema.current(database.owner_url) == before == _script().get_current_head()


def test_a_schema_of_another_version_is_refused_in_a_sentence(empty: Database) -> None:
    schema.upgrade(empty.owner_url)
    with connected(empty.owner_url) as owner, owner.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0030'")

    with pytest.raises(CommandError, match=r"schema 0030, which .* Nothing was changed"):
        schema.upgrade(empty.owner_url)


LATER = '''
"""A column, and a function that knows it."""

from alembic import op

from migrations.files import install

revision = "{number}"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("ALTER TABLE release_grants ADD COLUMN later text")
    install("later", "grant_facts")


def downgrade() -> None:
    op.execute("DROP FUNCTION later CASCADE")
    op.execute("ALTER TABLE release_grants DROP COLUMN later")
'''
LATER_FILE = """
CREATE OR REPLACE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.later := 'it is 100% there';
    RETURN NEW;
END
$body$;
CREATE OR REPLACE TRIGGER later BEFORE UPDATE OF later ON release_grants
    FOR EACH ROW EXECUTE FUNCTION later();
"""
TOUCHED = "release_grants"


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The number of one more migration: a column, and a file that needs it."""
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    head = _script().get_current_head()
    number = f"{int(head or 0) + 1:04d}"
    file = tmp_path / "migrations" / "versions" / f"{number}_later.py"
    file.write_text(LATER.format(number=number, head=head), encoding="utf-8")
    monkeypatch.setattr(schema, "ROOT", tmp_path)
    monkeypatch.setattr(files, "SQL", tmp_path / "migrations" / "sql")
    (files.SQL / "triggers" / "later.sql").write_text(LATER_FILE, encoding="utf-8")
    return number


def test_a_file_that_needs_a_later_table_waits_for_it(empty: Database, later: str) -> None:
    """The first migration installs every file as it is now, also what it has no column for yet."""
    schema.upgrade(empty.owner_url, "0001")
    with connected(empty.owner_url) as owner:
        before = rows(owner, "SELECT proname::text FROM pg_proc WHERE proname = 'later'")

    schema.upgrade(empty.owner_url)

    with connected(empty.owner_url) as owner:
        [(definition,)] = rows(owner, "SELECT prosrc FROM pg_proc WHERE proname = 'later'")
        triggers = rows(
            owner, "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'later'"
        )
    assert before == []
    assert "it is 100% there" in definition
    assert triggers == [(TOUCHED,)]
    assert schema.current(empty.owner_url) == later


@contextmanager
def somebody_reads(database: Database, table: str) -> Iterator[Any]:
    """A transaction of another session that has looked at a table and stays open."""
    engine = create_engine(database.superuser_url)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT count(*) FROM {table}"))
        yield connection
    engine.dispose()


def test_readers_go_on_while_a_migration_waits_for_a_table(live: Database, later: str) -> None:
    """A waiting ALTER TABLE makes everybody queue behind it, so it waits for moments only."""
    slowest = 0.0
    with ThreadPoolExecutor() as pool:
        with somebody_reads(live, TOUCHED):
            upgrading = pool.submit(schema.upgrade, live.owner_url)
            began = time.monotonic()
            with connected(live.superuser_url) as reader:
                while time.monotonic() < began + 4:
                    before = time.monotonic()
                    rows(reader, f"SELECT count(*) FROM {TOUCHED}")
                    slowest = max(slowest, time.monotonic() - before)
                    time.sleep(0.05)
            assert not upgrading.done()
        upgrading.result(timeout=budget(30))

    assert slowest < budget(settings.current().lock_timeout_seconds), "no request waits that long"
    assert schema.current(live.owner_url) == later
    schema.downgrade(live.owner_url, "-1")
    assert schema.current(live.owner_url) == _script().get_current_head()


def test_a_migration_that_gets_no_lock_says_so_and_changes_nothing(
    live: Database, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema.current(live.owner_url)
    monkeypatch.setattr(schema, "PATIENCE_SECONDS", 1.5)

    with (
        somebody_reads(live, TOUCHED),
        pytest.raises(CommandError, match="Nothing was changed"),
    ):
        schema.upgrade(live.owner_url)

    assert schema.current(live.owner_url) == before != later
