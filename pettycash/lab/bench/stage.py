"""A throw-away installation to measure on: a state folder, servers and processes of its own.

The servers are the embedded ones as `up` runs them, fsync and synchronous_commit on; nothing of
the caller's configuration counts, and nothing is left when the stage is over.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pettycash import composition
from pettycash.runtime import config, db
from pettycash.runtime.settings import Settings
from pettycash.stack import children, postgres
from pettycash.stack.plan import SETTING_PREFIXES, StackPlan
from pettycash.stack.ports import Ports
from pettycash.stack.processes import Child, ChildSpec
from pettycash.stack.state import ROOT, StackError, StateFolder

T = TypeVar("T")

ONE_CALLER = {
    "PETTYCASH_LOGIN_PER_ADDRESS_PER_MINUTE": "1000000",
    "PETTYCASH_LOGIN_PER_ACCOUNT_PER_MINUTE": "1000000",
    "PETTYCASH_OTP_PER_PERSON_PER_MINUTE": "1000000",
    "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE": "1000000",
    "PETTYCASH_READS_PER_PERSON_PER_MINUTE": "1000000",
}
"""A benchmark plays everybody from one address, so limits per person and address are lifted."""

TICK_SECONDS = 0.02


@dataclass
class Stage:
    """PostgreSQL (migrated and seeded) and Redis; more of the stack where a benchmark asks."""

    plan: StackPlan
    quick: bool
    """True: a glance that everything runs, with figures that mean little."""
    _exits: ExitStack = field(repr=False)
    running: list[Child] = field(default_factory=list)
    """Every process that was started for it, the servers first."""
    _specs: dict[str, ChildSpec] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """The settings of the stage's own processes, for `composition.compose`."""
        return config.read(self.plan.environment)

    @property
    def folder(self) -> Path:
        """Where a benchmark may write."""
        return self.plan.folder.path

    def sized(self, full: int, *, quick: int) -> int:
        """How much of something: a number for figures, another one for a glance."""
        return quick if self.quick else full

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Keep something open until the stage is over."""
        return self._exits.enter_context(context)

    def compose(self) -> None:
        """Make this process work on the stage's database, as the API would."""
        composition.compose(self.settings)
        self._exits.callback(db.dispose)

    def superuser(self) -> Any:
        """An autocommitting psycopg2 connection of the superuser, whom row security spares."""
        connection = self.plan.postgres.connect(database=postgres.DATABASE)
        self._exits.callback(connection.close)
        return connection

    def start(self, *names: str) -> list[Child]:
        """Start processes of the stack by their names in `status`, and wait until all are ready.

        Raises:
            StackError: one ended while starting, or was not ready in time.
        """
        return self.launch([self.spec(name) for name in names])

    def spec(self, name: str) -> ChildSpec:
        """How a process of the stack is started, by its name in `status`."""
        if not self._specs:
            every = [*children.outside(self.plan), *children.ours(self.plan)]
            self._specs |= {each.name: each for each in every}
        return self._specs[name]

    def launch(self, specs: Sequence[ChildSpec]) -> list[Child]:
        """Start processes of one's own description (a reference), ended with the stage."""
        started = []
        for spec in specs:
            child = Child(spec, self.plan.folder.logs)
            self._exits.callback(end, child)
            child.start()
            started.append(child)
            self.running.append(child)
        for child in started:
            await_ready(child)
        return started


def await_ready(child: Child) -> None:
    """Wait for a child that was started.

    Raises:
        StackError: it ended, or was not ready in time.
    """
    deadline = time.monotonic() + child.spec.ready_within_seconds
    while not child.probe():
        if child.exit_code() is not None or time.monotonic() > deadline:
            tail = "\n".join(child.log_tail())
            raise StackError(f"{child.spec.title} did not start:\n{tail}")
        time.sleep(TICK_SECONDS)
    child.note_ready()


def end(child: Child, seconds: float = 5.0) -> None:
    """Ask a child to stop, wait a while, then end it."""
    child.ask_to_stop()
    deadline = time.monotonic() + seconds
    while child.exit_code() is None and time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
    child.finish()


@contextmanager
def staged(environ: Mapping[str, str], *, quick: bool) -> Iterator[Stage]:
    """A stage of its own, gone at the end however that comes."""
    own = {name: value for name, value in environ.items() if not name.startswith(SETTING_PREFIXES)}
    own.pop("NOTIFY_SOCKET", None)
    with ExitStack() as exits:
        folder = Path(
            exits.enter_context(
                tempfile.TemporaryDirectory(prefix="pettycash-bench-", ignore_cleanup_errors=True)
            )
        )
        state = StateFolder(folder / "state")
        folder.chmod(0o711)  # PostgreSQL may run as another user
        state.prepare()
        plan = StackPlan(state, own | ONE_CALLER, Ports(usual=False))
        stage = Stage(plan=plan, quick=quick, _exits=exits)
        plan.check()
        plan.postgres.prepare()
        plan.redis.prepare()
        stage.launch([children.postgres_spec(plan), children.redis_spec(plan)])
        plan.postgres.make_roles()
        plan.postgres.make_database()
        for spec in children.one_shots(plan):
            _run_to_end(spec)
        yield stage


def _run_to_end(spec: ChildSpec) -> None:
    done = subprocess.run(
        list(spec.command),
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(spec.environment),
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise StackError(f"{spec.title} failed:\n{done.stderr[-2000:]}")
