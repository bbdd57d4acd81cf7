"""PostgreSQL is killed, or restarted in a hurry, under load: no acknowledged commit is lost.

A cluster of its own, whose commits wait for the log as in production.
"""

import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from pettycash.stack import postgres
from pettycash.stack.ports import Ports
from pettycash.stack.processes import Child, ChildSpec
from tests.crash.client import Executor
from tests.crash.system import Paid, System
from tests.servers import THROW_AWAY, Servers, build_template, wait_until

pytestmark = [pytest.mark.xdist_group("crash of a database"), pytest.mark.timeout(240)]

LOAD = 15
CLIENTS = 5
DOWN_SECONDS = 1.0


@dataclass
class OwnCluster:
    """A PostgreSQL that a test may kill."""

    servers: Servers
    child: Child

    def stop(self, how: signal.Signals) -> None:
        """End it: SIGKILL of the postmaster, or SIGINT, the fast shutdown."""
        assert self.child.process is not None
        self.child.process.send_signal(how)
        assert wait_until(lambda: self.child.exit_code() is not None, 20)

    def start(self) -> None:
        """Start it; after a SIGKILL it refuses until the last orphan of its backends is gone."""
        for _ in range(50):
            self.child.start()
            ready = wait_until(
                lambda: self.child.exit_code() is not None or self.servers.postgres.is_ready(), 20
            )
            if ready and self.child.exit_code() is None:
                return
            self.child.finish()
            time.sleep(0.1)
        raise AssertionError(self.child.log_tail())


@pytest.fixture(scope="module")
def cluster(
    servers: Servers,
) -> Iterator[tuple[OwnCluster, System]]:
    """The cluster and a system that runs on it."""
    folder = servers.folder / f"own-cluster-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o711)
    roles = ("postgres", postgres.OWNER_ROLE, postgres.APP_ROLE, postgres.SYSTEM_ROLE)
    server = postgres.PostgresServer(
        home=folder / "postgres",
        port=Ports(usual=False).take(0),
        passwords={role: secrets.token_hex(16) for role in roles},
        settings=THROW_AWAY | {"synchronous_commit": "on", "shared_buffers": "32MB"},
    )
    server.prepare()
    spec = ChildSpec(
        name="postgres", title="PostgreSQL", command=server.command(),
        environment=server.environment(), probe=server.is_ready,
        stop_signal=signal.SIGQUIT, popen={"cwd": "/"} | server.run_as.popen,
    )  # fmt: skip
    own = OwnCluster(Servers(folder, server, servers.redis), Child(spec, folder))
    system: System | None = None
    try:
        own.start()
        server.make_roles()
        server.make_database()
        database = own.servers.database(postgres.DATABASE)
        build_template(database, folder)
        system = System(folder / "system", database)
        system.start()
        yield own, system
    finally:
        if system is not None:
            system.end()
        own.child.ask_to_stop()
        wait_until(lambda: own.child.exit_code() is not None, 5)
        own.child.finish()


class Client(threading.Thread):
    """Releases its share over HTTP, however often that takes."""

    def __init__(self, system: System, share: Sequence[Paid]) -> None:
        super().__init__()
        self.share = share
        self.executor = Executor(system)
        self.answers: list[int] = []

    def run(self) -> None:
        """Release all of it."""
        for paid in self.share:
            self.answers.append(self.executor.insist(paid).status_code)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "restarted"])
def test_postgresql_sigkill_under_load_and_every_payment_reaches_its_end(
    cluster: tuple[OwnCluster, System], how: signal.Signals
) -> None:
    own, system = cluster
    system.compose()
    load = [system.payment() for _ in range(LOAD)]
    for paid in load:
        system.verify(paid)
    clients = [Client(system, load[start::CLIENTS]) for start in range(CLIENTS)]
    for client in clients:
        client.start()
    assert wait_until(lambda: len(system.moved(*load)) >= 2, 30), system.logs()

    own.stop(how)
    time.sleep(DOWN_SECONDS)
    own.start()

    for client in clients:
        client.join(60)
    assert any(client.executor.unanswered for client in clients), "nobody noticed"
    assert [answer for client in clients for answer in client.answers] == [202] * LOAD
    for name in ("relay", "worker", "api"):
        assert system.children[name].exit_code() is None, (name, system.logs())
    system.await_success(*load, seconds=90)
    system.assert_paid_once(*load)
