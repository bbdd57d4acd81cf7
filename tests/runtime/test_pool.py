"""Behind a pooler a connection is not one's own: what happens there, and that nothing starts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from pettycash.runtime import db, pool
from pettycash.stack import schema
from pettycash.stack.ports import Ports
from pettycash.stack.state import ROOT
from tests.patience import budget
from tests.pooler import Pooler
from tests.servers import Database


@pytest.fixture
def pooler(live: Database) -> Iterator[Pooler]:
    running = Pooler(live.app_url)
    yield running
    running.close()


ENTRANCES = {
    "api": ("-m", "gunicorn", "--config", "pettycash/stack/gunicorn_conf.py", "wsgi:app"),
    "worker": ("-m", "pettycash.stack.celery_command", "worker", "--pool", "solo"),
    "worker by celery": ("-m", "celery", "-A", "celery_worker", "worker", "--pool", "solo"),
    "beat": ("-m", "pettycash.stack.celery_command", "beat", "--schedule", "/dev/null"),
    "relay": ("-m", "pettycash.relay"),
    "relay as a command": ("-m", "pettycash", "relay"),
    "a command": ("-m", "pettycash", "outbox", "status"),
    "migrations": ("-m", "pettycash", "db", "current"),
}


def prepared(engine: Engine, statement: str) -> str:
    with engine.connect() as connection:
        return str(
            connection.exec_driver_sql(statement, execution_options=db.PREPARED).scalar_one()
        )


def test_behind_a_pooler_one_process_runs_the_statement_of_another(
    live: Database, pooler: Pooler
) -> None:
    """Why this is refused: the arity fits, and nobody is told."""
    one, other = (create_engine(pooler.url(live.app_url)) for _ in range(2))
    for engine in (one, other):
        pool.prepare_once(engine)
    with other.connect() as second, one.connect() as first:
        # Each has a server for as long as its transaction lasts.
        first.exec_driver_sql("SELECT 'mine'", execution_options=db.PREPARED)
        second.exec_driver_sql("SELECT 'not mine'", execution_options=db.PREPARED)

    assert prepared(one, "SELECT 'mine'") == "not mine"
    for engine in (one, other):
        engine.dispose()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_no_connection_through_a_pooler_is_used(live: Database, mode: str) -> None:
    pooler = Pooler(live.app_url, mode=mode)
    for app, system in (
        (pooler.url(live.app_url), live.system_url),
        (live.app_url, pooler.url(live.system_url)),
    ):
        db.configure(app, system)
        with pytest.raises(pool.BehindPooler, match="name PostgreSQL itself"):
            db.refuse_poolers()
        with pytest.raises(pool.BehindPooler), db.transaction(), db.system_transaction():
            raise AssertionError("nothing runs through a pooler")
    pooler.close()


def ended(database: Database, pooler: Pooler, folder: Path, *command: str) -> tuple[int, str]:
    """A process whose every way to the database leads through the pooler: exit code and words."""
    environment = database.environ | {"PETTYCASH_STATE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    for name in ("DATABASE_URL", "DATABASE_SYSTEM_URL", "DATABASE_OWNER_URL"):
        environment[name] = pooler.url(environment[name])
    done = subprocess.run(
        [sys.executable, *command],
        check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=budget(60),
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_nothing_starts_behind_a_pooler(
    live: Database, pooler: Pooler, tmp_path: Path, entrance: str
) -> None:
    code, words = ended(live, pooler, tmp_path, *ENTRANCES[entrance])

    assert code == 1, words
    assert "pettycash: A pooler before PostgreSQL lends connections" in words
    assert "Traceback" not in words


def test_doctor_says_so(live: Database, pooler: Pooler, tmp_path: Path) -> None:
    code, words = ended(live, pooler, tmp_path, "-m", "pettycash", "doctor", "--json")

    assert words.startswith("["), words
    (found,) = (each for each in json.loads(words) if each["name"] == "PostgreSQL")
    assert (code, found["well"]) == (1, False)
    assert "name PostgreSQL itself" in found["text"]


def test_a_pooler_that_pools_by_session_is_allowed(live: Database) -> None:
    """It drops the limits that are asked for at connect, so they are set again."""
    pooler = Pooler(live.app_url, mode="session")
    db.configure(pooler.url(live.app_url), live.system_url)

    db.refuse_poolers()
    with db.transaction() as session:
        asked = text(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
            " current_setting('idle_in_transaction_session_timeout')"
        )
        assert session.execute(asked).one() == ("5s", "2s", "10s")
    db.dispose()
    pooler.close()


def test_a_database_that_is_away_is_no_pooler(live: Database) -> None:
    nobody = make_url(live.app_url).set(port=Ports(usual=False).take(0))
    db.configure(nobody.render_as_string(hide_password=False), live.system_url)

    db.refuse_poolers()


def test_migrations_are_refused_too(live: Database, pooler: Pooler) -> None:
    with pytest.raises(pool.BehindPooler):
        schema.upgrade(pooler.url(live.owner_url))
