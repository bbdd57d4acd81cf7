"""Named steps at which a test lets a process die, so that every crash is tried once, on purpose.

`reach("payments.claimed")` is nothing at all unless PETTYCASH_CRASH_AT names the step; then the
process ends by SIGKILL, as if the machine had taken it. Production refuses the setting.
"""

import fcntl
import os
import signal
from pathlib import Path

from pettycash import settings

FOLDER = "crash-points"
"""Within the state folder: one file per step, a byte for each time that it was reached."""


def reach(name: str) -> None:
    """A step named domain.step has been reached: die here if that was asked for.

    PETTYCASH_CRASH_AT lists steps as `name` or `name:n`; the n-th time kills, counted over all
    processes of one state folder, so that whoever comes next passes.
    """
    armed = settings.current().crash_at
    if not armed:
        return
    for each in armed:
        step, _, nth = each.partition(":")
        if step == name and _count(name) == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def reached(state_dir: Path, name: str) -> int:
    """How often a step was reached in a state folder while somebody asked for it."""
    file = state_dir / FOLDER / name
    return file.stat().st_size if file.exists() else 0


def _count(name: str) -> int:
    folder = settings.current().state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b".")
        file.flush()
        return file.tell()
