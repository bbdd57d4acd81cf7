"""Throw-away PostgreSQL and Redis for one run of the tests, shared by all its workers.

The first test that asks starts them, through a guardian process that ends them when the run ends,
however it ends. Run as `python -m tests.servers FOLDER PID`, this module is that guardian.
"""

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from psycopg2 import sql

from pettycash import composition
from pettycash.cli.lab import seed
from pettycash.runtime import config, db
from pettycash.runtime.settings import Settings
from pettycash.stack import postgres, redis, schema
from pettycash.stack.ports import Ports
from pettycash.stack.processes import Child, ChildSpec, is_alive, start_time
from pettycash.stack.state import ROOT, write_private
from tests.patience import wait_until

TEMPLATE = "pettycash_template"
START_SECONDS = 60.0

THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "400",
    "shared_buffers": "128MB",
    "scram_iterations": "1",
}

KEYS = {
    "PETTYCASH_SECRET_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9uMDE=",
    "PETTYCASH_OTP_KEY": "tests-only-otp-key-tests-only-otp-key",
    "PETTYCASH_CALLBACK_KEY": "tests-only-callback-key-tests-only-key",
    "PETTYCASH_CURSOR_KEY": "tests-only-cursor-key-tests-only-cursor",
    # The cheapest argon2id there is: what is tested is the use of it, not its price.
    "PETTYCASH_HASH_MEMORY_KIB": "32",
    "PETTYCASH_HASH_ROUNDS": "1",
    # Tests of these limits set their own; no other test should know of them.
    "PETTYCASH_LOGIN_PER_ADDRESS_PER_MINUTE": "100000",
    "PETTYCASH_LOGIN_PER_ACCOUNT_PER_MINUTE": "100000",
    "PETTYCASH_OTP_PER_PERSON_PER_MINUTE": "100000",
    "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE": "100000",
    "PETTYCASH_READS_PER_PERSON_PER_MINUTE": "100000",
}


_ENGINES: dict[str, tuple[db._Database, ...]] = {}
"""Of each database that this process has worked on."""


def let_go(name: str) -> None:
    """Close what this process has open to a database."""
    for each in _ENGINES.get(name, ()):
        each.dispose()


@dataclass(frozen=True)
class Database:
    """One database on the test server, and the configuration that leads to it."""

    name: str
    app_url: str = field(repr=False)
    system_url: str = field(repr=False)
    owner_url: str = field(repr=False)
    superuser_url: str = field(repr=False)
    redis_url: str = field(repr=False)

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment of a process that works on it."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "PETTYCASH_ENV": "test",
            "DATABASE_URL": self.app_url,
            "DATABASE_SYSTEM_URL": self.system_url,
            "DATABASE_OWNER_URL": self.owner_url,
            "REDIS_URL": self.redis_url,
            "PETTYCASH_API_URL": "http://127.0.0.1:8000",
        } | KEYS

    @cached_property
    def settings(self) -> Settings:
        """The settings of a process that works on it."""
        return config.read(self.environ)

    def compose(self) -> None:
        """Make this process work on it, with the engines that it had for it before.

        A new engine has compiled nothing, and its connections have planned nothing.
        """
        db._app, db._system, db._autocommits = _ENGINES.setdefault(
            self.name, (db._Database(), db._Database(), db._Database())
        )
        composition.compose(self.settings)


@dataclass(frozen=True)
class Servers:
    """The two servers and what is made on them."""

    folder: Path
    postgres: postgres.PostgresServer
    redis: redis.RedisServer

    def database(self, name: str, redis_database: int = 0) -> Database:
        """The URLs of a database; it need not exist yet."""
        return Database(
            name=name,
            app_url=self.postgres.url(postgres.APP_ROLE, name),
            system_url=self.postgres.url(postgres.SYSTEM_ROLE, name),
            owner_url=self.postgres.url(postgres.OWNER_ROLE, name),
            superuser_url=self.postgres.url("postgres", name),
            redis_url=self.redis.url(redis_database),
        )

    def template(self) -> str:
        """The name of the migrated and seeded database; the first to ask builds it."""
        built = self.folder / "template-built"
        with locked(self.folder / "template.lock"):
            if not built.exists():
                self.drop(TEMPLATE)
                self.postgres.make_database(TEMPLATE)
                build_template(self.database(TEMPLATE), self.folder)
                built.touch()
        return TEMPLATE

    def clone(self, name: str, redis_database: int = 0) -> Database:
        """A fresh copy of the template."""
        template = self.template()
        self.drop(name)
        with self.superuser() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log OWNER {}").format(
                    sql.Identifier(name),
                    sql.Identifier(template),
                    sql.Identifier(postgres.OWNER_ROLE),
                )
            )
            self.postgres.open_to_roles(cursor, name)
        return self.database(name, redis_database)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        let_go(name)
        with self.superuser() as cursor:
            cursor.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    @contextlib.contextmanager
    def superuser(self) -> Iterator[Any]:
        """A superuser's cursor in the maintenance database."""
        connection = self.postgres.connect()
        try:
            yield connection.cursor()
        finally:
            connection.close()


def build_template(database: Database, folder: Path) -> None:
    """Migrate an empty database to head and seed it with the demo organisation."""
    schema.upgrade(database.owner_url)
    composition.compose(replace(database.settings, state_dir=folder / "seed"))
    seed.seed_demo()
    # A database that somebody is connected to can't be cloned.
    db.dispose()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file against the other workers."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def obtain(folder: Path, controller: int) -> Servers:
    """The servers of this run; started now if nobody asked before."""
    ready = folder / "ready.json"
    with locked(folder / "servers.lock"):
        if not ready.exists():
            command = [sys.executable, "-m", "tests.servers", str(folder), str(controller)]
            subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL)
            failed = folder / "failed"
            wait_until(lambda: ready.exists() or failed.exists(), START_SECONDS)
            if not ready.exists():
                reason = failed.read_text(encoding="utf-8") if failed.exists() else "in time"
                raise RuntimeError(f"the test servers did not start: {reason}")
    return _servers(folder, json.loads(ready.read_text(encoding="utf-8")))


def _servers(folder: Path, facts: dict[str, str]) -> Servers:
    roles = ("postgres", postgres.OWNER_ROLE, postgres.APP_ROLE, postgres.SYSTEM_ROLE)
    return Servers(
        folder=folder,
        postgres=postgres.PostgresServer(
            home=folder / "postgres",
            port=int(facts["postgres_port"]),
            passwords={role: facts[role] for role in roles},
            settings=THROW_AWAY,
        ),
        redis=redis.RedisServer(
            home=folder / "redis",
            port=int(facts["redis_port"]),
            password=facts["redis"],
            durable=False,
        ),
    )


def dismiss(folder: Path) -> None:
    """Tell the guardian to end the servers, and wait until it has."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        guardian = int((folder / "guardian.pid").read_text(encoding="ascii"))
        started = start_time(guardian)
        os.kill(guardian, signal.SIGTERM)
        wait_until(lambda: not is_alive(guardian, started), 10.0)
    shutil.rmtree(folder, ignore_errors=True)


def guard(folder: Path, controller: int) -> None:
    """Run the servers until the controller ends or asks; then leave nothing behind.

    Goes on in a process of its own, so that it is nobody's child and outlives the test worker
    that happened to need it first.
    """
    if os.fork():
        return
    os.setsid()
    try:
        _guard(folder, controller)
    except Exception as error:
        (folder / "failed").write_text(repr(error), encoding="utf-8")
        raise


def _guard(folder: Path, controller: int) -> None:
    watched = os.pidfd_open(controller)
    stop_read, stop_write = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(stop_write, b"x"))
    (folder / "guardian.pid").write_text(str(os.getpid()), encoding="ascii")
    ports = Ports(usual=False)
    names = ("postgres", postgres.OWNER_ROLE, postgres.APP_ROLE, postgres.SYSTEM_ROLE, "redis")
    facts = {name: secrets.token_hex(16) for name in names}
    facts |= {"postgres_port": str(ports.take(0)), "redis_port": str(ports.take(0))}
    servers = _servers(folder, facts)
    servers.postgres.prepare()
    servers.redis.prepare()
    children = [
        _start(
            folder,
            ChildSpec(
                name="postgres", title="PostgreSQL", command=servers.postgres.command(),
                environment=servers.postgres.environment(), probe=servers.postgres.is_ready,
                # Immediate shutdown: nothing here is worth a checkpoint.
                stop_signal=signal.SIGQUIT, popen={"cwd": "/"} | servers.postgres.run_as.popen,
            ),
        ),
        _start(
            folder,
            ChildSpec(
                name="redis", title="Redis", command=servers.redis.command(),
                environment={"PATH": "/usr/bin:/bin"}, probe=servers.redis.is_ready,
            ),
        ),
    ]  # fmt: skip
    try:
        servers.postgres.make_roles()
        write_private(folder / "ready.json", json.dumps(facts))
        select.select([watched, stop_read], [], [])
    finally:
        for child in children:
            child.ask_to_stop()
        for child in children:
            wait_until(lambda stopping=child: stopping.exit_code() is not None, 5.0)
            child.finish()
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, spec: ChildSpec) -> Child:
    child = Child(spec, folder)
    child.start()
    if not wait_until(child.probe, START_SECONDS):
        raise RuntimeError(f"{spec.title} is not ready: {child.log_tail()}")
    return child


def compose_for(database: Database) -> None:
    """Work on this database from now on; connections to another one are dropped."""
    database.compose()


if __name__ == "__main__":
    guard(Path(sys.argv[1]), int(sys.argv[2]))
