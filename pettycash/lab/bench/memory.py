"""What the whole system weighs while nobody asks for anything, in MB of PSS.

PSS (proportional set size, /proc/PID/smaps_rollup) counts a page that several processes share in
equal parts, so that the figures of all processes add up to what the machine has given. Everything
that `up` starts is counted, PostgreSQL, Redis, the simulator, the mailbox and Flower included. Each
API worker has served a sign-in before, one password being hashed at a time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pettycash.lab.bench import http_load
from pettycash.lab.bench.benchmark import Benchmark, at_most
from pettycash.lab.bench.stage import Stage
from pettycash.stack import children

SETTLE_SECONDS = 5.0
SIGN_INS = 8
WORKERS = tuple(children.WORKERS)


@dataclass(frozen=True)
class StackProcesses:
    """The processes that the stage's children lead, by the name of the child."""

    roots: dict[str, int]

    def forked_by(self, *names: str) -> float:
        """MB of the heaviest process that these forked to do their work."""
        return max(pss(each) for name in names for each in _forked(self.roots[name]))

    def whole(self) -> float:
        """MB of all of them."""
        return sum(pss(each) for root in self.roots.values() for each in _family(root))


def setup(stage: Stage) -> StackProcesses:
    """Start everything, use it a little, and leave it alone for a while."""
    plan = stage.plan
    specs = [*children.outside(plan), *children.ours(plan)]
    stage.start(*(each.name for each in specs))
    body = {"username": "nobody", "password": "not the pass phrase of anybody"}
    request = http_load.post("/api/auth/login/", body)
    for _ in range(SIGN_INS):
        with suppress(http_load.Refused):
            http_load.rate(plan.port("api"), [request], connections=1)
    time.sleep(stage.sized(int(SETTLE_SECONDS), quick=1))
    return StackProcesses(
        roots={each.name: each.pid for each in stage.running if each.pid is not None}
    )


def pss(pid: int) -> float:
    """MB of one process: its own pages, and its part of those that it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) / 1024
    raise ValueError(f"the kernel does not say what process {pid} weighs")


def _forked(pid: int) -> list[int]:
    """Its children, save those that do nothing but clean up after others."""
    return [each for each in _children(pid) if "resource_tracker" not in _command(each)]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for each in _children(pid):
        yield from _family(each)


def _children(pid: int) -> list[int]:
    return [
        int(each)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for each in (task / "children").read_text(encoding="ascii").split()
    ]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")


def _benchmark(
    name: str, what: str, bound: float, measured: Callable[[StackProcesses], float]
) -> Benchmark[StackProcesses]:
    return Benchmark(
        name=name,
        what=what,
        against="",
        unit="MB",
        goal=at_most(bound),
        setup=setup,
        measured=measured,
    )


BENCHMARKS = (
    _benchmark("memory-api", "idle API worker (PSS)", 90, lambda system: system.forked_by("api")),
    _benchmark(
        "memory-celery",
        "idle Celery child (PSS)",
        70,
        lambda system: system.forked_by(*WORKERS),
    ),
    _benchmark("memory-stack", "whole idle stack (PSS)", 750, lambda system: system.whole()),
)
