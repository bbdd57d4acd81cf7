"""Making a backup, and looking whether one is whole."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from pettycash.stack.backups import container, facts, programs
from pettycash.stack.state import StackError

Tell = Callable[[str], None]
"""Hears in a few words what goes on."""

MEGABYTE = 1_000_000
SAID = ("taken_at", "revision", "postgresql", "dumped_by", "facts")
TABLE = re.compile(r" TABLE public (\S+) ")
"""A line of pg_restore's list."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A file, and what it says of itself."""

    path: Path
    manifest: dict[str, Any]
    dump_sha256: str
    dump_bytes: int
    is_encrypted: bool

    @property
    def taken_at(self) -> datetime:
        return datetime.fromisoformat(self.manifest["taken_at"])

    @property
    def facts(self) -> facts.Facts:
        found: facts.Facts = self.manifest["facts"]
        return found


def make(owner_url: str, folder: Path, *, recipient: str, tell: Tell) -> Backup:
    """Write a backup of everything into a folder, beside whatever goes on.

    The dump and what it must add up to are of one snapshot, so they agree to the row.

    Raises:
        StackError: it can't be made; nothing is left of it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{folder} can't be made: {error.strerror}") from error
    engine = create_engine(owner_url, isolation_level="REPEATABLE READ")
    try:
        with engine.connect() as connection, connection.begin():
            return _make(connection, owner_url, folder, recipient=recipient, tell=tell)
    finally:
        engine.dispose()


def _make(
    connection: Connection, owner_url: str, folder: Path, *, recipient: str, tell: Tell
) -> Backup:
    # The server must not lose patience with a transaction that waits for a dump.
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {limit} = 0"))
    taken_at, snapshot = connection.execute(text("SELECT now(), pg_export_snapshot()")).one()
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise StackError("there is nothing to back up: the database has no tables of pettycash")
    unseen = facts.unseen(connection)
    if unseen:
        raise StackError(
            f"this role does not see every row of {', '.join(unseen[:3])}: DATABASE_OWNER_URL must"
            " name the role that ran the migrations"
        )
    raw = connection.connection.driver_connection
    assert raw is not None, "it has just answered"
    pg_dump = programs.find(
        "pg_dump", major=raw.info.server_version // 10_000, needs_tls=raw.info.ssl_in_use
    )
    tell("adding up")
    manifest = {
        "format": container.FORMAT,
        "taken_at": taken_at.astimezone(UTC).isoformat(),
        "revision": revision,
        "postgresql": raw.info.server_version,
        "dumped_by": pg_dump.major,
        "facts": facts.read(connection),
    }
    suffix = ".tar.age" if recipient else ".tar"
    moment = taken_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    path = folder / f"pettycash-{moment}Z{suffix}"
    with container.created(path, recipient) as writing:

        def drain(dump: IO[bytes]) -> None:
            writing.write(manifest, dump, lambda done: tell(f"dumped {done // MEGABYTE} MB"))

        pg_dump.run(
            "--format=custom",
            # The owner's policy shows every row; without this pg_dump refuses forced row security.
            "--enable-row-security",
            f"--snapshot={snapshot}",
            "--lock-wait-timeout=60s",
            "--no-password",
            url=owner_url,
            drain=drain,
        )
    return Backup(
        path=path,
        manifest=manifest,
        dump_sha256=writing.dump_sha256,
        dump_bytes=writing.dump_bytes,
        is_encrypted=bool(recipient),
    )


@dataclass(frozen=True, kw_only=True)
class Verified(Backup):
    """A backup that was read from front to back and is what was written."""

    entries: tuple[str, ...]
    """What pg_restore lists."""


def verify(path: Path, identity: Path | None, *, tell: Tell) -> Verified:
    """Read a backup from front to back.

    Raises:
        StackError: it is damaged, no backup, or of a newer PostgreSQL than there is here.
    """
    with container.opened(path, identity) as reading, tempfile.NamedTemporaryFile() as listed:
        pg_restore = programs.find("pg_restore", major=reading.manifest.get("dumped_by", 0))

        def feed(stdin: IO[bytes]) -> None:
            wants_more = True
            for piece in reading.pieces():
                # Listing, it reads the table of contents and no further; we read on.
                wants_more = wants_more and _taken(stdin, piece)
                tell(f"read {reading.dump_bytes // MEGABYTE} MB")

        pg_restore.run("--list", f"--file={listed.name}", feed=feed)
        entries = tuple(
            line
            for line in listed.read().decode("utf-8").splitlines()
            if line and not line.startswith(";")
        )
    found = Verified(
        path=path,
        manifest=reading.manifest,
        dump_sha256=reading.dump_sha256,
        dump_bytes=reading.dump_bytes,
        is_encrypted=reading.is_encrypted,
        entries=entries,
    )
    _check_complete(found)
    return found


def _taken(stdin: IO[bytes], piece: bytes) -> bool:
    try:
        stdin.write(piece)
    except BrokenPipeError:
        return False
    return True


def _check_complete(found: Verified) -> None:
    """Refuse a manifest that promises less than a backup holds, or more than this one does."""
    missing = [name for name in SAID if name not in found.manifest]
    missing += [name for name in facts.SECTIONS if name not in found.manifest.get("facts", {})]
    if missing:
        raise container.Damaged(f"{found.path} is no whole backup: no {', '.join(missing)}")
    dumped = {match[1] for match in map(TABLE.search, found.entries) if match}
    absent = sorted(set(found.facts[facts.ROWS]) - dumped)
    if absent:
        raise container.Damaged(f"{found.path} is no whole backup: no table {', '.join(absent)}")
