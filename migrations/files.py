"""The code of the database: one file for each function, which is what runs.

`sql/functions` has those that are called, `sql/triggers` those of triggers together with their
triggers, `sql/rows` what the program knows and triggers read (`python -m tests.documents` writes
it). A file can be run again and again. Tests compare all of them with a migrated database.
"""

from pathlib import Path

from alembic import op
from sqlalchemy.exc import ProgrammingError

from pettycash.runtime import db

SQL = Path(__file__).parent / "sql"
FOLDERS = ("functions", "triggers", "rows")

NOT_THERE_YET = {"42P01", "42703", "42704"}
"""SQLSTATE of a table, a column or a type that a later migration makes."""


def files() -> dict[str, Path]:
    """Every file by the name that it is installed by; functions come before their triggers."""
    return {path.stem: path for each in FOLDERS for path in sorted((SQL / each).glob("*.sql"))}


def run(path: Path) -> None:
    """Run a file as it stands: not as SQLAlchemy's, which would take `:word` for a parameter."""
    op.get_bind().exec_driver_sql(path.read_text("utf-8").replace("%", "%%"))


def install(*names: str) -> None:
    """Create or replace what these files make; in any order, since bodies are not looked into."""
    op.execute("SET LOCAL check_function_bodies = off")
    for name in names:
        run(files()[name])


def install_all() -> None:
    """Install every file, but those of tables that are not there yet: a later migration, which
    makes them, names these files."""
    for name in files():
        try:
            with op.get_bind().begin_nested():
                install(name)
        except ProgrammingError as error:
            if db.sqlstate(error) not in NOT_THERE_YET:
                raise


def drop_all() -> None:
    """Drop every table and function of ours, and the types of ranges."""
    op.execute(
        """DO $$ DECLARE command text; BEGIN
            FOREACH command IN ARRAY ARRAY(
                SELECT format('DROP FUNCTION %s CASCADE', p.oid::regprocedure)
                    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                    WHERE p.pronamespace = 'public'::regnamespace
                        AND l.lanname IN ('sql', 'plpgsql'))
            || ARRAY(
                SELECT format('DROP TABLE %s CASCADE', oid::regclass) FROM pg_class
                    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                        AND NOT relispartition AND relname <> 'alembic_version')
            || ARRAY(
                SELECT format('DROP TYPE %s', oid::regtype) FROM pg_type
                    WHERE typnamespace = 'public'::regnamespace AND typtype = 'r')
            LOOP EXECUTE command; END LOOP; END $$"""
    )
