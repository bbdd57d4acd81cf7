"""The whole system as processes of its own, behind doors that can be spoilt.

Only the main thread starts processes: the kernel ties the life of a child to the thread that forked
it (pettycash/stack/processes.py).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pettycash.lab.chaos.options import BOUNDS, TIMINGS
from pettycash.lab.chaos.proxy import Proxies
from pettycash.stack import children
from pettycash.stack.plan import SETTING_PREFIXES, StackPlan
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.stack.processes import Child, ChildSpec, ChildState
from pettycash.stack.redis import RedisServer
from pettycash.stack.state import StackError, StateFolder

DOORS = {"postgres": "postgres", "redis": "redis", "rail": "simulator-mpesa", "api": "api"}
"""Door → the listener behind it."""

NOT_STARTED = frozenset({"flower"})
"""It only looks on."""

TICK_SECONDS = 0.05
START_SECONDS = 90.0
AGAIN_SECONDS = 0.2
"""How soon the dead are started again. The supervisor of `up` waits up to half a minute."""


class NotStarted(StackError):
    """A part of the system did not become ready."""


class System:
    """PostgreSQL, Redis, simulator, mailbox, API, relay, the workers and beat."""

    def __init__(self, folder: StateFolder, environ: Mapping[str, str]) -> None:
        self.folder = folder
        own = {
            name: value
            for name, value in environ.items()
            if not name.startswith((*SETTING_PREFIXES, "PG", "FLASK_"))
        }
        self.children: dict[str, Child] = {}
        self.proxies = Proxies()
        self._again_at: dict[str, float] = {}
        self._left_dead: set[str] = set()
        self.ended_by_themselves: list[str] = []
        """Who ended without having been killed by us; they are started again all the same."""
        self.plan = StackPlan(folder, own, Ports(usual=False))
        doors = {
            name: self.proxies.open(name, self.plan.port(door)) for name, door in DOORS.items()
        }
        # The plan reads its environment when it is first asked for: with the doors' addresses.
        own |= {
            **TIMINGS,
            **BOUNDS,
            "PETTYCASH_API_URL": f"http://{LOOPBACK}:{doors['api']}",
            "PETTYCASH_SIMULATOR_MPESA_URL": f"http://{LOOPBACK}:{doors['rail']}",
        }
        self._doors = doors

    # -- addresses

    @property
    def environment(self) -> dict[str, str]:
        """The way round the doors: for whoever judges."""
        return dict(self.plan.app_environment)

    @property
    def spoilt_environment(self) -> dict[str, str]:
        """The way through the doors: for the processes that are tried."""
        found = dict(self.plan.app_environment)
        for name, door in (
            ("DATABASE_URL", "postgres"),
            ("DATABASE_SYSTEM_URL", "postgres"),
            ("REDIS_URL", "redis"),
        ):
            behind = f":{self.plan.port(DOORS[door])}/"
            found[name] = found[name].replace(behind, f":{self._doors[door]}/")
        return found

    @property
    def api_url(self) -> str:
        """The API through its door."""
        return f"http://{LOOPBACK}:{self._doors['api']}"

    @property
    def rail_url(self) -> str:
        """The simulator through its door."""
        return f"http://{LOOPBACK}:{self._doors['rail']}"

    @property
    def simulator_url(self) -> str:
        """The simulator's own pages, round the door."""
        return self.plan.local_url("simulator-mpesa")

    @property
    def redis(self) -> RedisServer:
        return self.plan.redis

    # -- life

    def start(self) -> None:
        """Start all of it; ready when this returns.

        Raises:
            StackError: a part did not become ready; what was started is left for `end`.
        """
        plan = self.plan
        plan.check()
        plan.postgres.prepare()
        plan.redis.prepare()
        servers = [children.postgres_spec(plan), children.redis_spec(plan)]
        for spec in [*servers, *children.outside(plan)]:
            self._begin(spec)
        self._await("postgres")
        plan.postgres.make_roles()
        plan.postgres.make_database()
        for spec in children.one_shots(plan):
            self.run_to_end(spec)
        for spec in children.ours(plan):
            if spec.name not in NOT_STARTED:
                self._begin(replace(spec, environment=self._through_doors(spec)))
        self._await(*self.children)

    def begin_beside(self, name: str, like: str, *, before: tuple[str, ...] = ()) -> None:
        """Start another process like one that runs; `before` goes in front of its module.

        Nobody starts it again when it ends.
        """
        spec = self.children[like].spec
        command = list(spec.command)
        if before:  # [python, "-m", "celery", …] → [python, "-m", *before, "celery", …]
            command[2:2] = list(before)
        command = [part.replace(f"{like}@", f"{name}@") for part in command]
        self._left_dead.add(name)
        self._begin(replace(spec, name=name, title=name, command=command))

    def _through_doors(self, spec: ChildSpec) -> dict[str, str]:
        extra = {
            name: value
            for name, value in spec.environment.items()
            if name not in self.plan.app_environment
        }
        return self.spoilt_environment | extra

    def _begin(self, spec: ChildSpec) -> None:
        child = Child(spec, self.folder.logs)
        self.children[spec.name] = child
        child.start()

    def run_to_end(self, spec: ChildSpec) -> None:
        """Run something that ends by itself.

        Raises:
            StackError: it failed, or took too long.
        """
        child = Child(spec, self.folder.logs)
        child.start()
        try:
            self.wait(lambda: child.exit_code() is not None, START_SECONDS)
            if child.exit_code() != 0:
                raise NotStarted(f"{spec.title} failed: {' | '.join(child.log_tail(5))}")
        finally:
            child.finish()

    def _await(self, *names: str) -> None:
        for name in names:
            child = self.children[name]
            if not self.wait(lambda child=child: self.is_ready(child), START_SECONDS):  # type: ignore[misc]
                raise NotStarted(f"{name} did not start: {' | '.join(child.log_tail(5))}")

    def is_ready(self, child: Child) -> bool:
        """Whether it has said that it is ready since its last start."""
        if child.exit_code() is not None:
            return False
        if child.state is ChildState.STARTING and child.probe():
            child.note_ready()
        return child.state is ChildState.READY

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition, keeping everybody alive; False when the time is over."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            self.attend()
            time.sleep(TICK_SECONDS)
        return True

    def attend(self) -> None:
        """Start the dead again, as a supervisor does."""
        now = time.monotonic()
        for name, child in self.children.items():
            if name in self._left_dead:
                continue
            if child.state is ChildState.BACKING_OFF:
                if now >= self._again_at[name]:
                    child.start()
            elif (code := child.exit_code()) is not None:
                if code != -signal.SIGKILL and child.state is ChildState.READY:
                    self.ended_by_themselves.append(f"{name}: {code}")
                child.sweep()
                child.state = ChildState.BACKING_OFF
                self._again_at[name] = now + AGAIN_SECONDS
            elif child.state is ChildState.STARTING:
                self.is_ready(child)

    # -- what is done to it

    def kill(self, name: str) -> None:
        """SIGKILL a process and all of its group; `attend` starts it again."""
        child = self.children[name]
        child.sweep()
        if child.process is not None:
            child.process.wait()
        child.state = ChildState.BACKING_OFF
        self._again_at[name] = time.monotonic() + AGAIN_SECONDS

    def kill_child_of(self, name: str) -> bool:
        """SIGKILL one process that a process of ours has forked; False where there was none."""
        found = self.children_of(name)
        if found:
            os.kill(found[0], signal.SIGKILL)
        return bool(found)

    def children_of(self, name: str) -> list[int]:
        """The pids that a process of ours has forked."""
        pid = self.children[name].pid
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [int(each) for each in text.split()]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and all of its group."""
        child = self.children[name]
        if child.process is None or child.exit_code() is not None:
            return
        forked = self.children_of(name)  # PostgreSQL's have groups of their own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, number)
        for pid in forked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def hold_back(self, *names: str) -> None:
        """SIGKILL processes, and let nobody start them until `let_go`."""
        self._left_dead.update(names)
        for name in names:
            self.kill(name)

    def let_go(self, *names: str) -> None:
        """Start again who was held back; ready when this returns.

        Raises:
            StackError: one of them did not become ready.
        """
        self._left_dead.difference_update(names)
        for name in names:
            self.children[name].start()
        self._await(*names)

    def end_beside(self, name: str) -> None:
        """End a process that `begin_beside` started."""
        child = self.children.pop(name)
        self._left_dead.discard(name)
        child.finish()

    def end(self) -> None:
        """Leave nothing behind."""
        for child in self.children.values():
            self.signal(child.name, signal.SIGCONT)
            child.finish()
        self.proxies.close()
