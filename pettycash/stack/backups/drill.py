"""The drill: a backup restored on a server of its own, looked into, and thrown away."""

import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.runtime import db
from pettycash.services.reconciliation import invariants
from pettycash.stack import postgres, schema
from pettycash.stack.backups import facts
from pettycash.stack.backups.facts import Compared
from pettycash.stack.backups.making import Tell
from pettycash.stack.backups.restoring import Different, restore
from pettycash.stack.ports import Ports
from pettycash.stack.processes import Child, ChildSpec
from pettycash.stack.state import StackError

START_SECONDS, STOP_SECONDS = 60.0, 5.0
ROLES = ("postgres", postgres.OWNER_ROLE, postgres.APP_ROLE, postgres.SYSTEM_ROLE)
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
UNMOVED = (facts.BALANCES, facts.HOLDS)
"""What migrations and a stamp must leave as it was."""


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What a restore of this backup would give."""

    compared: Sequence[Compared]
    """Every fact, in the backup and restored; what must not move, once more after migrations."""
    findings: Sequence[invariants.Finding]
    """What breaks a promise of the books."""
    revision: str | None
    seconds: float

    @property
    def is_equal(self) -> bool:
        return all(each.is_equal for each in self.compared)

    @property
    def ok(self) -> bool:
        """Whether one could go on with it, to the shilling."""
        return self.is_equal and not self.findings


def drill(path: Path, *, identity: Path | None, by: str, tell: Tell) -> Drilled:
    """Restore a backup on a scratch server, migrate it, and check its books.

    Raises:
        StackError: it can't be restored at all.
    """
    began = time.monotonic()
    with scratch_server(tell) as server:
        owner_url = server.url(postgres.OWNER_ROLE)
        try:
            restored = restore(path, owner_url, identity=identity, by=by, tell=tell)
        except Different as error:
            return Drilled(
                compared=error.differences,
                findings=(),
                revision=None,
                seconds=time.monotonic() - began,
            )
        tell("checking the books")
        findings = _check_books(owner_url, server.url(postgres.APP_ROLE))
        with schema.as_owner(owner_url) as session:
            after = facts.read(session.connection())
    again = facts.compare(restored.backup.facts, after, *UNMOVED)
    return Drilled(
        compared=[*restored.compared, *(each for each in again if not each.is_equal)],
        findings=findings,
        revision=restored.revision,
        seconds=time.monotonic() - began,
    )


def _check_books(owner_url: str, app_url: str) -> list[invariants.Finding]:
    with schema.as_owner(owner_url) as session:
        companies = session.execute(select(Company.id).order_by(Company.code)).scalars().all()
    engine = create_engine(app_url)
    try:
        found: list[invariants.Finding] = []
        for company_id in companies:
            with db.scope(company_id=company_id, source="cli:audit"), Session(engine) as session:
                db.begin_scope(session)
                # What looks at the schema is the same for every company.
                found += [each for each in invariants.check_books(session) if each not in found]
        return found
    finally:
        engine.dispose()


@contextmanager
def scratch_server(tell: Tell) -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL of its own with our roles and an empty database; nothing of it stays.

    Raises:
        StackError: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="pettycash-drill-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    try:
        tell("starting a server")
        server = postgres.PostgresServer(
            home=folder / "postgres",
            port=Ports(usual=False).take(0),
            passwords={role: secrets.token_hex(16) for role in ROLES},
            settings=THROW_AWAY,
        )
        server.prepare()
        child = Child(
            ChildSpec(
                name="postgres",
                title="PostgreSQL",
                command=server.command(),
                environment=server.environment(),
                probe=server.is_ready,
                # Immediate shutdown: nothing here is worth a checkpoint.
                stop_signal=signal.SIGQUIT,
                popen={"cwd": "/"} | server.run_as.popen,
            ),
            folder,
        )
        child.start()
        try:
            _wait(lambda: child.probe() or child.exit_code() is not None, START_SECONDS)
            if not child.probe():
                raise StackError(f"the scratch server did not start: {child.log_tail(1)}")
            server.make_roles()
            server.make_database()
            yield server
        finally:
            child.ask_to_stop()
            _wait(lambda: child.exit_code() is not None, STOP_SECONDS)
            child.finish()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
