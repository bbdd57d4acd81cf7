"""A restore in the middle of a run: the database becomes again what it was some time before.

What the rail did meanwhile stays done, and what clients were told meanwhile is not true any more:
they ask again for all of it, and whose payment is lost is given a new one.
"""

import contextlib
import logging
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg2 import sql
from sqlalchemy import select

from pettycash.lab.chaos.clients import Clients
from pettycash.lab.chaos.paying import House
from pettycash.lab.chaos.rail import RailSide
from pettycash.lab.chaos.system import System
from pettycash.models.payments import Callback
from pettycash.runtime import db
from pettycash.services.operations import pauses
from pettycash.stack import children
from pettycash.stack.ports import LOOPBACK
from pettycash.stack.postgres import DATABASE
from pettycash.stack.processes import ChildSpec
from pettycash.stack.state import StackError

logger = logging.getLogger(__name__)

PROGRAM_SECONDS = 120.0
RAIL_SECONDS = 60.0
"""How long people wait, before they resume, for what the rail has yet to tell."""
RESUMING = ("operator", "cfo")


@dataclass(kw_only=True)
class Lost:
    """What a restore cost, as far as anybody knows."""

    taken_at: datetime
    seconds: float = 0.0
    """Of work that the database does not know of any more."""
    heard_before: set[int] = field(default_factory=set)
    """The simulator's numbers of the callbacks that it had sent, to books that are gone."""

    def as_json(self) -> dict[str, Any]:
        """As the report prints it."""
        return {"taken_at": self.taken_at.isoformat(), "lost_seconds": round(self.seconds, 1)}


class Restoring:
    """Makes one backup, and brings it back."""

    def __init__(self, system: System, house: House, rail: RailSide, clients: Clients) -> None:
        self._system = system
        self._house = house
        self._rail = rail
        self._clients = clients
        self.lost: Lost | None = None

    @property
    def _dump(self) -> Path:
        return self._system.folder.path / "backup.dump"

    def backup(self) -> None:
        """Dump the database while everything goes on.

        Raises:
            StackError: pg_dump failed.
        """
        self._clients.note_backup()
        self.lost = Lost(taken_at=self._now())
        self._program("pg_dump", "--format=custom", f"--file={self._dump}", DATABASE)

    def restore(self) -> None:
        """Put the backup in the place of the database, stamp it, and let two people resume.

        Raises:
            StackError: a program failed, or a process did not come back.
        """
        lost = self.lost
        if lost is None:
            raise StackError("there is no backup to restore")
        with self._clients.closed():
            ours = [
                name
                for name, child in self._system.children.items()
                if child.spec.tier == children.OURS
            ]
            self._system.hold_back(*ours)
            lost.seconds = (self._now() - lost.taken_at).total_seconds()
            lost.heard_before = {each.number for each in self._rail.callbacks()}
            self._replace()
            self._stamp(lost.taken_at)
            self._system.let_go(*ours)
            self._system.wait(lambda: not self._rail.owes_callbacks(), RAIL_SECONDS)
            self._resume()
            self._clients.ask_again(paid_already=self._paid_already())

    def _now(self) -> datetime:
        with db.scope(source="chaos"), db.system_transaction() as session:
            return session.info["now"]  # type: ignore[no-any-return]

    def _replace(self) -> None:
        server = self._system.plan.postgres
        with contextlib.closing(server.connect()) as connection:
            connection.cursor().execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE))
            )
        server.make_database()
        self._program("pg_restore", "--exit-on-error", f"--dbname={DATABASE}", str(self._dump))

    def _stamp(self, taken_at: datetime) -> None:
        self._system.run_to_end(
            ChildSpec(
                name="restore",
                title="restore --stamp",
                command=children.pettycash(
                    "restore", "--stamp", "--taken-at", taken_at.isoformat()
                ),
                environment=self._system.plan.environment,
            )
        )

    def _resume(self) -> None:
        for name in RESUMING:
            with db.scope(source="chaos"), db.system_transaction() as session:
                pauses.resume_everything(session, by=name, now=session.info["now"])

    def _paid_already(self) -> set[str]:
        """Receivers who have their money although nothing in the books speaks of it.

        Whoever has lost a requisition hears that from them, and raises no other one.
        """
        with self._house.scope(), db.transaction() as session:
            told = set(
                session.execute(
                    select(Callback.told_destination).where(Callback.lost_attempt_id.is_not(None))
                ).scalars()
            )
        told_of = {each.removeprefix("+") for each in told if each is not None}
        return {each.phone for each in self._rail.movements()} - told_of

    def _program(self, name: str, *arguments: str) -> None:
        server = self._system.plan.postgres
        done = subprocess.run(
            [
                str(server.programs / name),
                *("--host", LOOPBACK, "--port", str(server.port), "--username=postgres"),
                *arguments,
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            env=server.environment() | {"PGPASSWORD": server.passwords["postgres"]},
        )
        if done.returncode != 0:
            raise StackError(f"{name} failed: {done.stderr.strip()[-500:]}")
