"""A way to PostgreSQL that goes silent, while every packet is still acknowledged."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from pettycash.lab.chaos.proxy import Mode, Proxies
from pettycash.runtime import connection_watchdog, db
from tests.patience import budget
from tests.servers import Database

SECONDS = 1.0
SOON = 20.0
"""Far more than it needs, far less than for ever."""


@pytest.fixture
def engine(proxies: Proxies, live: Database) -> Iterator[Engine]:
    """An engine that reaches the database through a door, and is watched."""
    url = make_url(live.environ["DATABASE_OWNER_URL"])
    made = create_engine(url.set(port=proxies.open("postgres", url.port or 0)))
    connection_watchdog.watch(made, seconds=SECONDS)
    try:
        yield made
    finally:
        made.dispose()


@pytest.mark.timeout(60)
def test_half_open_postgresql_ends_as_a_lost_connection(engine: Engine, proxies: Proxies) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxies.spoil("postgres", Mode.HOLD)
        began = time.monotonic()
        with pytest.raises(DBAPIError) as met:
            connection.execute(text("SELECT 2"))
    assert SECONDS <= time.monotonic() - began < budget(SOON)
    assert met.value.connection_invalidated, "the pool must not hand it out again"
    proxies.heal("postgres")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 3")).scalar_one() == 3


@pytest.mark.timeout(60)
def test_so_does_a_commit(engine: Engine, proxies: Proxies) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE silence (n int)"))
        time.sleep(SECONDS * 1.5)
        proxies.spoil("postgres", Mode.HOLD)
        with pytest.raises(DBAPIError):
            connection.commit()


def test_nobody_is_cut_who_is_idle_or_busy_or_answered_in_time(engine: Engine) -> None:
    with engine.connect() as idle, engine.connect() as busy:
        idle.execute(text("SELECT 1"))
        end = time.monotonic() + SECONDS * 3
        while time.monotonic() < end:
            busy.execute(text("SELECT pg_sleep(0.05)"))
        assert idle.execute(text("SELECT 2")).scalar_one() == 2


def test_who_said_that_it_takes_long_is_waited_for(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection_watchdog.wait_longer(connection, seconds=SOON)
        connection.execute(text("SELECT pg_sleep(:long)"), {"long": SECONDS * 3})
        connection.rollback()
        with pytest.raises(DBAPIError):  # in this transaction only
            connection.execute(text("SELECT pg_sleep(:long)"), {"long": SECONDS * 10})


def test_the_process_watches_its_own_connections(live: Database) -> None:
    with db.transaction() as session:
        info = session.connection().info
        assert time.monotonic() - info[connection_watchdog.ASKED_AT] < SOON
