"""How long a test waits: a budget that grows with the machine's load.

What is awaited comes as soon as it would; only giving up takes longer where others compute too.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

CORES = len(os.sched_getaffinity(0))
MOST = 20.0
LOADAVG = Path("/proc/loadavg")


def slowness(loadavg: str, *, cores: int) -> float:
    """How much longer things take than on a machine with nothing else to do, 1 at least.

    By the load of the last minute, or what is runnable at this moment where that is more.
    """
    figures = loadavg.split()
    wanting = max(float(figures[0]), float(figures[3].partition("/")[0]))
    return min(MOST, max(1.0, wanting / cores))


def budget(seconds: float) -> float:
    """So many seconds of a machine with nothing else to do."""
    return seconds * slowness(LOADAVG.read_text(encoding="ascii"), cores=CORES)


def wait_until(condition: Callable[[], object], seconds: float, step: float = 0.02) -> bool:
    """Wait for a condition, no longer than a budget; whether it came true."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > budget(seconds):
            return bool(condition())
        time.sleep(step)
    return True
