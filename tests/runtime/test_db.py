"""Connections that rested, and statements that are planned once for each of them."""

import os
import signal
import threading
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import DBAPIError

from pettycash.models.access import Company
from pettycash.runtime import connection_watchdog, db, pool
from tests.factories.people import company_id
from tests.posting import owner
from tests.servers import Database, Servers, wait_until


def backend(session: Any) -> int:
    return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def cut(servers: Servers, pid: int) -> None:
    """End a connection from the other side, and wait until it is gone."""
    with closing(servers.postgres.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))

        def gone() -> bool:
            cursor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,))
            return cursor.fetchone() is None

        assert wait_until(gone, 30)


def test_who_is_configured_alike_keeps_the_connections(live: Database) -> None:
    db.dispose()  # of two that rest in the pool, each would be lent in turn
    with db.transaction() as session:
        before = backend(session)
    live.compose()
    with db.transaction() as session:
        assert backend(session) == before

    db.configure(live.app_url, live.system_url, pool_size=1)
    with db.transaction() as session:
        assert backend(session) != before


def test_an_idle_connection_is_pinged_before_it_is_used(
    live: Database, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PING_AFTER_SECONDS", 0.0)
    with db.transaction() as session:
        before = backend(session)
    cut(servers, before)

    with db.transaction() as session:
        assert backend(session) != before
    with db.system_autocommit() as autocommit:
        first = backend(autocommit)
    cut(servers, first)
    with db.system_autocommit() as autocommit:
        assert backend(autocommit) != first


def test_a_marked_statement_is_prepared_once_and_takes_other_values(live: Database) -> None:
    statement = (
        select(Company.code)
        .where(Company.id == bindparam("company_id"), Company.code.notlike("100%"))
        .execution_options(**db.PREPARED)
    )
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'companies'")
    db.dispose()

    with db.system_transaction() as session:
        companies = session.execute(select(Company.id, Company.code)).all()
        assert len(companies) > 1
        for company_id, code in companies:
            assert session.execute(statement, {"company_id": company_id}).scalar_one() == code
        nobody = session.execute(statement, {"company_id": UUID(int=0)}).scalar_one_or_none()

        assert nobody is None
        assert session.execute(prepared).scalar_one() == 1
    with db.system_transaction() as session:
        session.execute(statement, {"company_id": UUID(int=0)}).all()
        assert session.execute(prepared).scalar_one() == 1


def test_a_connection_lost_while_preparing_is_known_as_lost(
    live: Database, servers: Servers
) -> None:
    statement = select(Company.code).execution_options(**db.PREPARED)

    def ask_once_lost() -> None:
        with db.system_transaction() as session:
            cut(servers, backend(session))
            session.execute(statement)

    with pytest.raises(DBAPIError) as met:
        ask_once_lost()

    assert met.value.connection_invalidated
    with db.system_transaction() as session:
        assert session.execute(statement).first() is not None


def test_autocommit_is_no_transaction(live: Database) -> None:
    with db.system_autocommit() as autocommit:
        first = autocommit.execute(text("SELECT now()")).scalar_one()
        assert autocommit.execute(text("SELECT now()")).scalar_one() > first


def test_long_work_takes_its_time_in_its_own_transaction_only(live: Database) -> None:
    limit = text("SELECT current_setting('statement_timeout')")

    with db.transaction() as session:
        usual = session.execute(limit).scalar_one()
        db.allow_long_statements(session, seconds=120)
        assert session.execute(limit).scalar_one() == "2min"
        assert session.connection().info[connection_watchdog.PATIENCE] == 120 + db.WATCHDOG_SECONDS
    with db.transaction() as session:
        assert connection_watchdog.PATIENCE not in session.connection().info
        assert session.execute(limit).scalar_one() == usual != "2min"


class Interrupted(Exception):
    """As a soft time limit comes: while PostgreSQL is being waited for."""


def test_an_interrupted_prepare_leaves_a_connection_that_works(live: Database) -> None:
    """The server may have done what we never heard of: its name is not given to another one."""
    statement = select(Company.code).execution_options(**db.PREPARED)
    other = select(Company.name).execution_options(**db.PREPARED)
    db.dispose()  # a pool that others have filled lends another connection each time

    def interrupt(*_signal: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with db.system_transaction() as session:
            pid = backend(session)
        with closing(psycopg2.connect(live.superuser_url.replace("+psycopg2", ""))) as holder:
            holder.cursor().execute("LOCK TABLE companies IN ACCESS EXCLUSIVE MODE")
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            threading.Timer(1.0, holder.rollback).start()
            with pytest.raises(Interrupted), db.system_transaction() as session:
                session.execute(statement)
        with db.system_transaction() as session:
            assert backend(session) == pid, "the same connection, or this proves nothing"
            assert session.execute(statement).all()
            assert session.execute(other).all()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_snapshot_sees_one_instant_and_writes_nothing(live: Database) -> None:
    db.dispose()  # a pool that others have filled lends another connection each time
    live.compose()
    read = text("SELECT string_agg(name, ',' ORDER BY code) FROM companies")
    with db.scope(company_id=company_id("DEMO")):
        with db.snapshot() as session:
            pid = backend(session)
            before = session.execute(read).scalar_one()
            with owner(live) as connection:
                connection.execute(text("UPDATE companies SET name = name || '!'"))
            assert session.execute(read).scalar_one() == before
        with pytest.raises(DBAPIError) as refused, db.snapshot() as session:
            session.execute(text("SELECT new_key() FROM companies FOR UPDATE"))
        assert db.sqlstate(refused.value) == "25006"

        with db.transaction() as session:
            assert backend(session) == pid, "the same connection, and nothing of it is left"
            assert session.execute(read).scalar_one() != before
            level = "SELECT current_setting('transaction_isolation')"
            assert session.execute(text(level)).scalar_one() == "read committed"
            read_only = "SELECT current_setting('transaction_read_only')"
            assert session.execute(text(read_only)).scalar_one() == "off"
