"""pg_dump and pg_restore: those of the wheel, or the server's own on PATH."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2.extensions import make_dsn
from sqlalchemy import make_url

from pettycash.stack import postgres
from pettycash.stack.state import StackError


@dataclass(frozen=True)
class Program:
    """One of the two, and the major version of PostgreSQL that it came with."""

    path: Path
    major: int

    def run(
        self,
        *arguments: str,
        url: str = "",
        feed: Callable[[IO[bytes]], None] | None = None,
        drain: Callable[[IO[bytes]], None] | None = None,
    ) -> None:
        """Run it to its end on a database: `feed` writes what it reads, `drain` the other way.

        Raises:
            StackError: it failed; the sentence is its own.
        """
        with (
            tempfile.TemporaryFile() as words,
            subprocess.Popen(
                [str(self.path), *arguments, *([f"--dbname={_conninfo(url)}"] if url else [])],
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE if drain else subprocess.DEVNULL,
                stderr=words,
                env=os.environ | _password(url) | {"LC_ALL": "C"},
            ) as running,
        ):
            try:
                if feed and running.stdin:
                    _feed(running.stdin, feed)
                if drain and running.stdout:
                    drain(running.stdout)
                running.wait()
            except BaseException:
                running.kill()
                raise
            words.seek(0)
            said = words.read().decode("utf-8", errors="replace")
        if running.returncode != 0:
            lines = [line for line in said.splitlines() if "error:" in line or "FATAL" in line]
            reason = (lines or said.splitlines() or ["no word"])[0]
            raise StackError(f"{self.path.name} failed: {reason}")


def _feed(stdin: IO[bytes], feed: Callable[[IO[bytes]], None]) -> None:
    """Write until the program wants no more: then its own last word says why."""
    with contextlib.suppress(BrokenPipeError):
        feed(stdin)
    with contextlib.suppress(BrokenPipeError):
        stdin.close()


def find(name: str, *, major: int, needs_tls: bool = False) -> Program:
    """A program that is not older than a server or a dump.

    The wheel's is there wherever the stack runs without a server of its own, and knows no TLS.

    Raises:
        StackError: there is none.
    """
    candidates: list[Path] = []
    if not needs_tls:
        with contextlib.suppress(StackError):  # not on this machine; somebody's own may do
            candidates.append(postgres.binaries() / name)
    on_path = shutil.which(name)
    if on_path:
        candidates.append(Path(on_path))
    for candidate in candidates:
        found = _major(candidate)
        if found >= major:
            return Program(candidate, found)
    raise StackError(
        f"this needs {name} of PostgreSQL {major} or newer on PATH; install the client programs"
        f" (Debian, Ubuntu: sudo apt install postgresql-client-{major})"
    )


def _major(program: Path) -> int:
    try:
        done = subprocess.run(
            [str(program), "--version"], check=False, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else 0


def _conninfo(url: str) -> str:
    """A URL for libpq, without the password: other users can read a program's arguments."""
    parts = make_url(url)
    _, facts = parts.get_dialect()().create_connect_args(parts.set(password=None))
    return make_dsn(**facts)


def _password(url: str) -> dict[str, str]:
    password = make_url(url).password if url else None
    return {"PGPASSWORD": password} if password else {}
