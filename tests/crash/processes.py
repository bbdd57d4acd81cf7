"""Processes that a test may kill, with timings so short that minutes are over in seconds."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pettycash.lab.mailbox.sink import Sink
from pettycash.lab.mailbox.store import Mailbox
from pettycash.runtime import crash_points
from pettycash.stack import probes
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.stack.processes import Child, ChildSpec
from pettycash.stack.redis import RedisServer
from pettycash.tasks.schedule import QUEUES
from tests.servers import Database, wait_until
from tests.zygote import QuickChild

TIMINGS = {
    "PETTYCASH_CLAIM_LEASE_SECONDS": "2",
    "PETTYCASH_QUERY_FIRST_SECONDS": "0.5",
    "PETTYCASH_QUERY_INTERVAL_MAX_SECONDS": "5",
    "PETTYCASH_RESEND_AFTER_SECONDS": "1.5",
    "PETTYCASH_DECIDE_BY_SECONDS": "5",
    "PETTYCASH_RELAY_INTERVAL_SECONDS": "0.1",
    "PETTYCASH_RELAY_BACKOFF_SECONDS": "1",
    "PETTYCASH_RELAY_BACKOFF_MAX_SECONDS": "3",
}
"""The same proportions as the defaults, some thirty times as fast."""

BOUNDS = {"PETTYCASH_OUTBOX_ATTEMPTS_MAX": "200", "PETTYCASH_CODE_SENDS_MAX": "100"}
"""Out of the way: tests of their own prove them."""

PERMANENT = ("redis", "simulator", "api", "relay", "worker")
ARMED = "armed"
"""The file of orders that every process reads at each of its crash points."""

SOLO = ("-P", "solo")
POOL = ("-P", "prefork", "-c", "2")
"""A worker that ends with its task, and one that goes on while its children end."""

START_SECONDS = 40.0


class Processes:
    """Redis, simulator, gunicorn, relay and workers on one database. All it starts, it ends."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.ports = Ports(usual=False)
        self.database = database
        self.redis = RedisServer(folder / "redis", self.ports.take(0), "crash", durable=False)
        self.simulator_url = f"http://{LOOPBACK}:{self.ports.take(0)}"
        self.api_url = f"http://{LOOPBACK}:{self.ports.take(0)}"
        self.mailbox = Mailbox(folder / "mail")
        smtp_port = self.ports.take(0)
        self._sink = Sink(smtp_port, self.mailbox)
        self.environ = (
            {name: value for name, value in database.environ.items() if "OWNER" not in name}
            | TIMINGS
            | BOUNDS
            | {
                "REDIS_URL": self.redis.url(),
                "PETTYCASH_STATE_DIR": str(folder / "state"),
                "PETTYCASH_API_URL": self.api_url,
                "PETTYCASH_SIMULATOR_MPESA_URL": self.simulator_url,
                "SMTP_URL": f"smtp://{LOOPBACK}:{smtp_port}",
                "PYTHONUNBUFFERED": "1",
                "WEB_CONCURRENCY": "1",
                "REMAP_SIGTERM": "SIGQUIT",
            }
        )
        self.shortcodes: Sequence[str] = ("600992",)
        """Of the accounts that the simulator knows."""
        self._armed: set[str] = set()
        self._pool: Sequence[str] = SOLO

    def revive(self, pool: Sequence[str] = SOLO) -> None:
        """Start whoever was left dead or armed by the test before; nothing is armed any more."""
        self.disarm()
        for name in [name for name in self.children if name not in PERMANENT]:
            self.children.pop(name).finish()
        for name in PERMANENT:
            if self.children[name].exit_code() is not None or name in self._armed:
                self.restart(name)
        if self._pool != pool:
            self.restart("worker", pool=pool)

    def end(self) -> None:
        """Leave nothing behind."""
        for child in self.children.values():
            child.finish()
        if self.children:
            self._sink.stop()

    def arm(self, *orders: str) -> None:
        """Order faults of everybody who runs; what was reached before is forgotten."""
        self.disarm()
        folder = self._crash_folder
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{ARMED}.new"
        fresh.write_text("\n".join(orders), encoding="ascii")
        fresh.rename(folder / ARMED)

    def disarm(self) -> None:
        """Order nothing any more, and forget what was reached."""
        for name in (ARMED, crash_points.STRUCK):
            (self._crash_folder / name).unlink(missing_ok=True)
        for counted in self._crash_folder.glob("*.*"):
            counted.unlink(missing_ok=True)

    def struck(self) -> list[tuple[str, float]]:
        """The faults since `arm`: the step, and when it was on the monotonic clock."""
        file = self._crash_folder / crash_points.STRUCK
        lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
        fields = [line.split() for line in lines]
        return [(step, float(at)) for step, _, at in fields]

    def await_ready(self, *names: str) -> None:
        """Wait until these have said that they are ready, or died of what they were armed with."""
        for name in names:
            child = self.children[name]
            here = wait_until(
                lambda name=name, child=child: (
                    child.probe() or (name in self._armed and child.exit_code() is not None)
                ),
                START_SECONDS,
            )
            assert here, (name, child.log_tail(30))

    def _begin_redis(self) -> None:
        """Start Redis; what is in its folder decides what it remembers: nothing."""
        self._begin(
            "redis", self.redis.command(), environment={"PATH": "/usr/bin:/bin"},
            probe=self.redis.is_ready,
        )  # fmt: skip

    def _begin_simulator(self) -> None:
        command = [
            "-m",
            "pettycash.lab.simulators.mpesa",
            "--host",
            LOOPBACK,
            "--callback-delay",
            "0.1",
        ]
        command += ["--port", self.simulator_url.rpartition(":")[2]]
        command += ["--state", str(self.simulator_state)]
        for each in self.shortcodes:
            command += ["--shortcode", each]
        self._begin("simulator", python(*command), probe=probes.answers_ok(self.page("health")))

    def _begin_api(self, crash_at: str = "") -> None:
        address = self.api_url.removeprefix("http://")
        command = [
            "-m",
            "gunicorn",
            "--config=python:pettycash.stack.gunicorn_conf",
        ]
        self._begin(
            "api", python(*command, f"--bind={address}", "wsgi:app"), crash_at=crash_at,
            probe=probes.answers_ok(f"{self.api_url}/healthz"),
        )  # fmt: skip

    def _begin_relay(self, name: str, crash_at: str = "") -> None:
        self._begin(name, python("-m", "pettycash", "relay"), crash_at=crash_at)

    def _begin_worker(self, name: str, crash_at: str = "", *, pool: Sequence[str] = SOLO) -> None:
        if name == "worker":
            self._pool = pool
        command = ["-m", "celery", "-A", "celery_worker", "worker", "-n", f"{name}@%h", *pool]
        command += ["-Q", ",".join(QUEUES), "--loglevel", "INFO"]
        command += ["--without-gossip", "--without-mingle"]
        self._begin(name, python(*command), crash_at=crash_at)

    def _begin_beat(self, name: str) -> None:
        command = ["-m", "pettycash.stack.celery_command", "beat", "--pidfile", ""]
        self._begin(name, python(*command))

    def _begin(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        probe: Any = None,
        crash_at: str = "",
    ) -> None:
        environment = dict(self.environ if environment is None else environment)
        self._armed.discard(name)
        environment["PETTYCASH_CRASH_AT"] = f"@{ARMED}"
        if crash_at:
            self._armed.add(name)
            environment["PETTYCASH_CRASH_AT"] += f",{crash_at}"
            for each in crash_at.split(","):
                (self._crash_folder / crash_points.order(each).step).unlink(missing_ok=True)
        if name in self.children:
            self.children[name].finish()
        spec = ChildSpec(
            name=name, title=name, command=command, environment=environment, probe=probe
        )
        self.children[name] = QuickChild(spec, self.folder)
        self.children[name].start()

    def restart(self, name: str, crash_at: str = "", **how: Any) -> None:
        """SIGKILL one of our processes, with all of its children, and start it anew."""
        if name in self.children:
            self.kill(name)
        if name == "redis":
            self._begin_redis()
        elif name == "simulator":
            self._begin_simulator()
        elif name.startswith("relay"):
            self._begin_relay(name, crash_at)
        elif name == "api":
            self._begin_api(crash_at)
        elif name.startswith("beat"):
            self._begin_beat(name)
        else:
            self._begin_worker(name, crash_at, **how)
        self.await_ready(name)

    def kill(self, name: str) -> None:
        """SIGKILL a process and all of its children."""
        child = self.children[name]
        if child.exit_code() is None:
            assert child.pid is not None
            os.killpg(child.pid, signal.SIGKILL)
        assert wait_until(lambda: child.exit_code() is not None, 10), name

    def tend_relay(self) -> None:
        """Start it again if it has died, as its supervisor would, be it to die once more."""
        if self.children["relay"].exit_code() is not None:
            self._begin_relay("relay")

    def await_death(self, name: str, seconds: float = 15.0) -> None:
        """Wait until a process has died at its crash point."""
        child = self.children[name]
        assert wait_until(lambda: child.exit_code() is not None, seconds), child.log_tail(30)
        assert child.exit_code() == -signal.SIGKILL, child.log_tail(30)

    def reached(self, step: str) -> int:
        """How often an armed crash point was reached."""
        return crash_points.reached(self._state, step)

    @property
    def _state(self) -> Path:
        return Path(self.environ["PETTYCASH_STATE_DIR"])

    @property
    def _crash_folder(self) -> Path:
        return self._state / crash_points.FOLDER

    @property
    def simulator_state(self) -> Path:
        """Where the simulator keeps its ledger and its keys."""
        return self.folder / "simulator"

    def page(self, name: str) -> str:
        """The address of one of the simulator's own pages."""
        return f"{self.simulator_url}/_sim/{name}"

    def logs(self, lines: int = 25) -> str:
        """The last words of everybody, for a failure's message."""
        return "\n".join(
            f"--- {name}\n" + "\n".join(child.log_tail(lines))
            for name, child in self.children.items()
            if name != "redis"
        )

    def raised(self, *names: str) -> list[str]:
        """The errors in which tasks of these workers have ended since the system was begun."""
        logs = [self.folder / f"{name}.log" for name in names]
        return [
            line
            for log in logs
            if log.exists()
            for line in log.read_text(errors="replace").splitlines()
            if "raised unexpected" in line
        ]

    def begin(self, pool: Sequence[str] = SOLO) -> None:
        """Start all of it; ready when this returns."""
        self._sink.start()
        self.redis.prepare()
        self._begin_redis()
        self._begin_simulator()
        self._begin_api()
        self._begin_relay("relay")
        self._begin_worker("worker", pool=pool)
        self.await_ready(*self.children)


def python(*arguments: str) -> list[str]:
    """A command of this environment."""
    return [sys.executable, *arguments]
