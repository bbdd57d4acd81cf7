"""The fixtures that everything else trusts."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.runtime import db
from pettycash.stack import schema
from tests.servers import Database, Servers


def test_a_session_acts_as_the_application_role(session: Session) -> None:
    assert session.execute(text("SELECT current_user")).scalar_one() == "pettycash_app"
    assert session.info["now"].tzinfo is not None


def test_the_open_unit_of_work_is_the_tests_own(session: Session) -> None:
    with db.transaction() as joined:
        assert joined is session


def test_a_live_database_is_migrated_and_commits(live: Database) -> None:
    with db.system_transaction() as session:
        assert session.execute(text("SELECT current_user")).scalar_one() == "pettycash_system"
        name = session.execute(text("SELECT current_database()")).scalar_one()
    assert name == live.name
    assert schema.current(live.owner_url) is not None


def test_a_clone_is_open_to_our_roles_only(live: Database, servers: Servers) -> None:
    with servers.superuser() as cursor:
        cursor.execute("SELECT datacl::text FROM pg_database WHERE datname = %s", (live.name,))
        (granted,) = cursor.fetchone()
    assert "pettycash_app=c/" in granted
    assert "pettycash_system=c/" in granted
    assert "=Tc/" not in granted.replace("pettycash_owner=CTc/", "")
