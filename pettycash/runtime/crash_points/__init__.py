"""Named steps at which a test lets a process fail, so that every crash is tried once, on purpose.

`crash_point("payments.claimed")` does nothing unless PETTYCASH_CRASH_AT names the step; then the
fault that was asked for strikes there. Production refuses the setting.
"""

import fcntl
import functools
import os
import re
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pettycash.runtime import settings
from pettycash.runtime.crash_points import connections

FOLDER = "crash-points"
"""Within the state folder: one file per step, a byte for each time that it was reached."""

STRUCK = "struck"
"""Among them: one line for each fault, `step fault seconds` on the monotonic clock."""


class Fault(StrEnum):
    """The failure of the process that reaches a step."""

    KILL = "kill"  # SIGKILL, as if the machine had taken the process
    RAISE = "raise"  # an exception that nobody expects
    CUT = "cut"  # the process loses its connections to the database: its commit fails
    LOSE = "lose"  # the next commit is made, and the answer to it is lost


class Injected(Exception):
    """The exception of `Fault.RAISE`; nothing in the code knows it."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One fault that was asked for: at the n-th time that a step is reached."""

    step: str
    nth: int
    fault: Fault


_ORDER = re.compile(r"([a-z_]+\.[a-z_]+)(?::([1-9][0-9]*))?(?:=([a-z]+))?")


def order(text: str) -> Order:
    """Read `domain.step`, `domain.step:n`, `domain.step=fault` or both; a kill, the first time.

    Raises:
        ValueError: it is none of these.
    """
    match = _ORDER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not domain.step[:n][=fault]")
    step, nth, fault = match.groups()
    return Order(step=step, nth=int(nth or 1), fault=Fault(fault or Fault.KILL))


def crash_point(step: str) -> None:
    """A step at which a test may let a process fail: fail here if that was asked for.

    PETTYCASH_CRASH_AT lists orders (`order`); `@name` stands for those in a file of that name in
    FOLDER, read anew each time. Steps are counted over all processes of one state folder, so that
    a fault strikes once and whoever comes next passes.
    """
    asked = settings.current().crash_at
    if not asked:
        return
    orders = [each for each in _orders(asked) if each.step == step]
    if not orders:
        return
    count = _add(step, ".")
    for each in orders:
        if each.nth == count:
            _strike(each)


def reached(state_dir: Path, step: str) -> int:
    """How often a step was reached in a state folder while somebody asked for it."""
    file = state_dir / FOLDER / step
    return file.stat().st_size if file.exists() else 0


def _orders(asked: tuple[str, ...]) -> list[Order]:
    texts: list[str] = []
    for each in asked:
        if each.startswith("@"):
            file = settings.current().state_dir / FOLDER / each.removeprefix("@")
            texts += file.read_text(encoding="ascii").split() if file.exists() else []
        else:
            texts.append(each)
    return [_read(text) for text in texts]


_read = functools.cache(order)


def _strike(wanted: Order) -> None:
    # The monotonic clock is one for all processes of a machine, and nobody can turn it back.
    _add(STRUCK, f"{wanted.step} {wanted.fault} {time.monotonic():.6f}\n")
    match wanted.fault:
        case Fault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Fault.RAISE:
            raise Injected(wanted.step)
        case Fault.CUT:
            connections.cut()
        case Fault.LOSE:
            connections.lose_next_answer()


def _add(name: str, text: str) -> int:
    """Append to a file of the folder; its size by then."""
    folder = settings.current().state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text.encode("ascii"))
        file.flush()
        return file.tell()
