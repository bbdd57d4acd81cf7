"""A whole stack as a newcomer starts it, in a state folder of its own and on free ports."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pettycash.stack.processes import is_alive, start_time
from pettycash.stack.state import ROOT
from tests.patience import budget, wait_until

START_SECONDS = 60.0
QUIET_SECONDS = 0.5
COMMAND = (sys.executable, str(ROOT / "bin" / "pettycash"))
BANNER = "pettycash is up after"


@dataclass
class Stack:
    """One `up` and what can be asked about it."""

    state: Path
    environ: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ("--any-port", "--no-story")
    process: subprocess.Popen[bytes] | None = None
    first_words: str = ""
    """What was printed up to a moment after the banner."""

    @property
    def output(self) -> str:
        """All that `up` printed."""
        return self.state.with_suffix(".out").read_text(encoding="utf-8", errors="replace")

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return kept | {"PETTYCASH_STATE_DIR": str(self.state)} | self.environ

    def call(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run another command on the same state folder."""
        return subprocess.run(
            [*COMMAND, *arguments],
            check=False, capture_output=True, text=True, env=self.environment(), timeout=budget(60),
            **options,
        )  # fmt: skip

    def begin(self) -> None:
        """Start `up` and come back at once."""
        with self.state.with_suffix(".out").open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "up", *self.arguments],
                stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=self.environment(), start_new_session=True,
            )  # fmt: skip

    def up(self) -> None:
        """Start and wait for the banner."""
        self.begin()
        wait_until(lambda: BANNER in self.output or self.has_ended(), START_SECONDS)
        assert BANNER in self.output, self.output
        time.sleep(QUIET_SECONDS)
        self.first_words = self.output

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("status", "--json").stdout)
        return found

    def secrets(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("secrets").stdout)
        return found

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {each["name"]: each["pid"] for each in self.status()["processes"]}

    def everyone(self) -> list[tuple[int, int | None]]:
        """Every process that descends from the supervisor, each with its start time."""
        assert self.process is not None
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue
                parent = int(stat.rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append((pid, start_time(pid)))
            waiting.extend(children.get(pid, []))
        return found

    def interrupt(self, seconds: float = 20.0) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(budget(seconds))

    def end_by_ctrl_c(self) -> None:
        """Ctrl-C: it ends well and in time, and nobody is left."""
        left = self.everyone()
        began = time.monotonic()
        assert self.interrupt() == 0
        assert time.monotonic() - began < budget(15)
        assert not [each for each in left if is_alive(*each)]

    def kill(self) -> None:
        """kill -9 of the supervisor."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(budget(5))

    def end(self) -> None:
        """Leave nothing behind, however the test ended."""
        if not self.has_ended():
            left = self.everyone()
            try:
                self.interrupt()
            except subprocess.TimeoutExpired:
                self.kill()
            wait_until(lambda: not any(is_alive(*each) for each in left), 15)
