"""One child process: how it is started, known to be ready, and ended.

Every child asks the kernel for a signal when its supervisor dies (PR_SET_PDEATHSIG), so that
even kill -9 of the supervisor leaves nothing behind, and leads a process group of its own, so that
Ctrl-C in the terminal reaches the supervisor alone and what a child leaves behind can be swept up.
"""

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from pettycash.stack.state import ROOT

PR_SET_PDEATHSIG = 1
LOG_BYTES_MAX = 5_000_000
BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS = 0.5, 30.0
STEADY_SECONDS = 60.0
"""A child that lived this long starts again at the first back-off."""

_libc = ctypes.CDLL(None, use_errno=True)


class ChildState(StrEnum):
    WAITING = "waiting"  # its turn has not come
    STARTING = "starting"  # runs, not ready yet
    READY = "ready"
    UNRESPONSIVE = "unresponsive"  # runs, but stopped answering its probe
    BACKING_OFF = "backing off"  # ended, will be started again
    STOPPED = "stopped"
    DONE = "done"  # ended well, and need not run any more
    FAILED = "failed"  # ended otherwise, and is not started again


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to run. `probe` answers at once whether it is ready; None: it announces itself."""

    name: str
    title: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    url: str = ""
    probe: Callable[[], bool] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    popen: Mapping[str, Any] = field(default_factory=dict)
    tier: int = 0
    """Children of a higher tier need those below; they stop tier by tier, from the top."""
    ready_within_seconds: float = 60.0


def die_with_parent(sent: signal.Signals) -> Callable[[], None]:
    """What a child runs between fork and exec: ask for `sent` when the parent ends.

    The kernel watches the *thread* that forked; so only the main thread starts children.
    """
    parent = os.getpid()

    def ask() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; with the pid it names one process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def is_alive(pid: int, started: int | None) -> bool:
    """Whether this very process (not another that got its number) still runs."""
    return started is not None and start_time(pid) == started


class Child:
    """A process under supervision."""

    def __init__(self, spec: ChildSpec, logs: Path) -> None:
        self.spec = spec
        self.state = ChildState.WAITING
        self.restarts = 0
        self.log = logs / f"{spec.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.ready_at = 0.0
        self.again_at = 0.0
        self.backoff = BACKOFF_FIRST_SECONDS
        self.failed_probes = 0
        self.ticks: int | None = None
        self._announced: socket.socket | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Fork and exec. Only from the main thread (see die_with_parent)."""
        environment = dict(self.spec.environment)
        if self.spec.probe is None:
            environment["NOTIFY_SOCKET"] = self._listen()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            os.chmod(self.log, 0o600)  # noqa: PTH101 - the file is open already
            self.process = self._spawn(environment, log)
        self.started_at = time.monotonic()
        self.ticks = start_time(self.process.pid)
        self.failed_probes = 0
        self.state = ChildState.STARTING

    def _spawn(self, environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {"cwd": ROOT} | dict(self.spec.popen)
        return subprocess.Popen(
            list(self.spec.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent(self.spec.stop_signal),  # noqa: PLW1509 - one thread
            **options,
        )

    def _listen(self) -> str:
        """An abstract socket, made anew for each start so that a dead one's word does not count."""
        if self._announced is not None:
            self._announced.close()
        name = f"pettycash-{os.getpid()}-{self.name}-{secrets.token_hex(8)}"
        self._announced = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._announced.setblocking(False)
        self._announced.bind("\0" + name)
        return "@" + name

    def probe(self) -> bool:
        """Whether it is ready now."""
        if self.spec.probe is not None:
            return self.spec.probe()
        if self._announced is None:
            return False
        try:
            return b"READY=1" in self._announced.recv(4096)
        except BlockingIOError:
            return False

    def note_ready(self) -> None:
        """It answered."""
        self.state = ChildState.READY
        self.ready_at = time.monotonic()
        self.failed_probes = 0

    def exit_code(self) -> int | None:
        """Its exit code once it has ended (negative: the signal), None while it runs."""
        return self.process.poll() if self.process else None

    def schedule_restart(self) -> float:
        """Sweep up what it left and say in how many seconds it may start again."""
        self.sweep()
        if time.monotonic() - self.started_at > STEADY_SECONDS:
            self.backoff = BACKOFF_FIRST_SECONDS
        wait = self.backoff
        self.backoff = min(self.backoff * 2, BACKOFF_MAX_SECONDS)
        self.again_at = time.monotonic() + wait
        self.restarts += 1
        self.state = ChildState.BACKING_OFF
        return wait

    def ask_to_stop(self) -> None:
        """Send its stop signal."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.spec.stop_signal)

    def sweep(self) -> None:
        """Kill whatever is left of its process group."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:  # the group belongs to another user: PostgreSQL's own children
            self.process.kill()

    def finish(self) -> None:
        """End what still runs and let go of it."""
        if self.process is not None:
            self.sweep()
            self.process.wait()
        if self._announced is not None:
            self._announced.close()
            self._announced = None
        self.state = ChildState.STOPPED

    def log_tail(self, lines: int = 12) -> list[str]:
        """The last lines of its log."""
        try:
            text = self.log.read_bytes()[-20_000:].decode("utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[-lines:]

    def as_dict(self) -> dict[str, Any]:
        """What `status` shows, and `ticks`, which tells this process from a later namesake."""
        return {
            "name": self.name,
            "pid": self.pid if self.exit_code() is None else None,
            "url": self.spec.url,
            "state": str(self.state),
            "restarts": self.restarts,
            "ticks": self.ticks,
        }
