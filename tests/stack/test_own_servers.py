"""Somebody's own PostgreSQL: its logins have names of their own, and may be too mighty."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from sqlalchemy import func, select, text

from pettycash import composition
from pettycash.models.access import Company
from pettycash.runtime import db
from tests.servers import Database, Servers
from tests.stack.running import Stack

NAME = "pettycash_own_logins"
OWNER, APP = "own_chief", "own_clerk"

# Logins belong to the whole server, so one worker at a time makes and drops them.
pytestmark = pytest.mark.xdist_group("own logins")


@pytest.fixture
def own(servers: Servers) -> Iterator[Database]:
    """An empty database of an owner who may hand our roles on, and a login without any right."""
    servers.drop(NAME)
    with servers.superuser() as cursor:
        _drop_logins(cursor)
        for login in (OWNER, APP):
            cursor.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(sql.Identifier(login))
            )
        cursor.execute(
            sql.SQL("GRANT pettycash_app, pettycash_system TO {} WITH ADMIN OPTION").format(
                sql.Identifier(OWNER)
            )
        )
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(NAME), sql.Identifier(OWNER)
            )
        )
    at = f"127.0.0.1:{servers.postgres.port}/{NAME}"
    yield replace(
        servers.database(NAME, redis_database=14),
        app_url=f"postgresql://{APP}:pw@{at}",
        owner_url=f"postgresql://{OWNER}:pw@{at}",
        system_url="",
    )
    db.dispose()
    servers.drop(NAME)
    with servers.superuser() as cursor:
        _drop_logins(cursor)


def _drop_logins(cursor: Any) -> None:
    for login in (APP, OWNER):
        cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(login)))


def _stack(folder: Path, database: Database) -> Stack:
    """Commands beside no running stack, told of the two URLs that are promised to suffice."""
    environ = {
        "DATABASE_URL": database.app_url,
        "DATABASE_OWNER_URL": database.owner_url,
        "REDIS_URL": database.redis_url,
    }
    return Stack(folder / "own", environ=environ)


def _acting() -> tuple[str, str]:
    with db.transaction() as session:
        app: str = session.execute(text("SELECT current_user")).scalar_one()
    with db.system_transaction() as session:
        return app, session.execute(text("SELECT current_user")).scalar_one()


def test_logins_of_any_name_act_as_our_roles(tmp_path: Path, own: Database) -> None:
    stack = _stack(tmp_path, own)
    for command in (("db", "upgrade"), ("seed",)):
        done = stack.call(*command)
        assert done.returncode == 0, done.stderr
    composition.compose(own.settings)
    assert _acting() == ("pettycash_app", "pettycash_system")

    # The state folder is gone and its keys with it: the demo's sign-ins and rails are renewed.
    shutil.rmtree(stack.state)
    done = stack.call("seed")
    assert done.returncode == 0, done.stderr


def test_an_application_login_that_row_security_would_spare_is_bound_by_it(
    tmp_path: Path, own: Database, servers: Servers
) -> None:
    mighty = replace(own, app_url=servers.postgres.url("postgres", NAME))
    assert _stack(tmp_path, mighty).call("db", "upgrade").returncode == 0
    composition.compose(mighty.settings)
    with db.system_transaction() as session:
        session.add(Company(code="OWN", name="Own", currency="KES"))
    assert _acting() == ("pettycash_app", "pettycash_system")
    with db.transaction() as session:
        assert session.execute(select(func.count()).select_from(Company)).scalar_one() == 0


def test_an_owner_who_may_not_grant_is_told_what_to_have_run(
    tmp_path: Path, own: Database, servers: Servers
) -> None:
    with servers.superuser() as cursor:
        cursor.execute(
            sql.SQL("REVOKE pettycash_app FROM {}").format(sql.Identifier(OWNER)),
        )
    done = _stack(tmp_path, own).call("db", "upgrade")
    assert done.returncode == 1
    assert f'GRANT pettycash_app TO "{APP}"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody:pw@127.0.0.1:1/nothing", "does not answer"),
        ("mysql://nobody@127.0.0.1/nothing", "DATABASE_URL must be"),
        ("nonsense", "DATABASE_URL must be"),
    ],
)
def test_a_database_url_that_leads_nowhere_is_one_sentence(
    tmp_path: Path, own: Database, url: str, said: str
) -> None:
    done = _stack(tmp_path, replace(own, app_url=url, owner_url=url)).call("cases")
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_database_without_tables_says_what_makes_them(tmp_path: Path, own: Database) -> None:
    done = _stack(tmp_path, replace(own, app_url=own.owner_url)).call("cases")
    assert done.returncode == 1
    assert "bin/pettycash db upgrade" in done.stderr
    assert "Traceback" not in done.stderr
