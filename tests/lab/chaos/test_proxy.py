"""The doors: each mode does what it says to what passes, and counts whom it has hit."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy import make_url

from pettycash.lab.chaos.proxy import DELAY_SECONDS, DRIP_BYTES, DRIP_SECONDS, Mode, Proxies
from pettycash.stack.ports import LOOPBACK
from tests.servers import Database, wait_until


def echo(listener: socket.socket) -> None:
    """Send back whatever comes, one thread for each client."""

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while piece := connection.recv(65_536):
                connection.sendall(piece)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


@pytest.fixture
def door(proxies: Proxies) -> Iterator[int]:
    """The port of a door before a server that echoes."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        yield proxies.open("echo", listener.getsockname()[1])


def connect(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), timeout=5)


def said_back(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    found = b""
    while len(found) < len(text):
        piece = connection.recv(65_536)
        if not piece:
            break
        found += piece
    return found


def is_turned_away(port: int) -> bool:
    """Whether a new connection is reset, while it is made or right after."""
    try:
        with connect(port) as client:
            return client.recv(1) == b""
    except ConnectionError:
        return True


def test_everything_passes_unless_told_otherwise(proxies: Proxies, door: int) -> None:
    with connect(door) as client:
        assert said_back(client, b"x" * 200_000) == b"x" * 200_000
    assert proxies.heal("echo") == 0


def test_delay_and_drip_take_their_time_and_lose_nothing(proxies: Proxies, door: int) -> None:
    text = b"y" * (DRIP_BYTES * 10)
    with connect(door) as client:
        for mode, seconds in ((Mode.DELAY, 2 * DELAY_SECONDS), (Mode.DRIP, 9 * DRIP_SECONDS)):
            proxies.spoil("echo", mode)
            began = time.monotonic()
            assert said_back(client, text) == text
            assert time.monotonic() - began >= seconds
            assert proxies.heal("echo") > 0


def test_a_held_connection_never_heals_and_a_new_one_works(proxies: Proxies, door: int) -> None:
    with connect(door) as held, connect(door) as fresh:
        assert said_back(held, b"a") == b"a"
        held.settimeout(0.3)
        proxies.spoil("echo", Mode.HOLD)
        held.sendall(b"b")
        assert proxies.heal("echo") >= 1
        with pytest.raises(TimeoutError):
            held.recv(1)
        fresh.close()
    with connect(door) as later:
        assert said_back(later, b"c") == b"c"


def test_reset_hits_the_open_and_the_new(proxies: Proxies, door: int) -> None:
    with connect(door) as client:
        assert said_back(client, b"a") == b"a"
        proxies.spoil("echo", Mode.RESET)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert is_turned_away(door)
    assert proxies.heal("echo") >= 2
    with connect(door) as later:
        assert said_back(later, b"c") == b"c"


def test_a_door_without_a_server_resets(proxies: Proxies) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
    door = proxies.open("nobody", port)
    assert is_turned_away(door)


def test_a_cut_at_commit_commits_and_keeps_the_answer(proxies: Proxies, live: Database) -> None:
    url = make_url(live.environ["DATABASE_OWNER_URL"]).set(drivername="postgresql")
    through = url.set(port=proxies.open("postgres", url.port or 0))

    def connected() -> "psycopg2.extensions.connection":
        return psycopg2.connect(through.render_as_string(hide_password=False))

    connection = connected()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE cut_at_commit (n int)")
    proxies.spoil("postgres", Mode.CUT, cuts=1)
    with pytest.raises(psycopg2.OperationalError):
        connection.commit()
    with contextlib.closing(connected()) as again:
        seen = again.cursor()
        seen.execute("SELECT count(*) FROM cut_at_commit")
        assert seen.fetchone() == (0,), "it was committed all the same"
        again.commit()  # only so many are cut
    assert wait_until(lambda: proxies.doors["postgres"].hits == 1, 5)
