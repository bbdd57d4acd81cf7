"""The plan of faults: drawn from the seed before anything runs."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pettycash.lab.chaos.options import Options


class FaultKind(StrEnum):
    """What is done to the system."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    FLUSH = "FLUSHALL"
    SKEW = "clock skew"
    TWO_BEATS = "two beats"
    READ_ONLY = "disk read-only"
    DELAY = "delay"
    DRIP = "drip"
    HOLD = "half-open"
    RESET = "reset"
    CUT = "cut at COMMIT"
    BACKUP = "backup"
    RESTORE = "restore"


NETWORK = (FaultKind.DELAY, FaultKind.DRIP, FaultKind.HOLD, FaultKind.RESET)


@dataclass(frozen=True, kw_only=True)
class ChaosFault:
    """One fault. `at` is the share of all payments that have been released when it comes."""

    kind: FaultKind
    part: str
    seconds: float = 0.0
    """How long it lasts; a kill lasts no time at all."""
    hours: float = 0.0
    """Of a clock skew."""
    at: float = 0.0

    @property
    def name(self) -> str:
        """As the report groups them."""
        return f"{self.kind} {self.part}"

    def as_json(self) -> dict[str, Any]:
        """As the report prints it."""
        return asdict(self) | {"kind": self.kind.value}


VICTIMS = (
    "worker", "api", "postgres", "redis", "relay", "worker child", "worker-callbacks",
    "api child", "beat", "worker-codes", "simulator-mpesa", "worker-batch",
)  # fmt: skip
"""Whom a kill may hit, the most telling first: so many as there are kills, all of them once."""

OFTEN = ("worker", "worker", "worker child", "api", "api child", "relay", "redis", "postgres")
"""Whom the further kills hit."""

OTHERS: Sequence[tuple[FaultKind, str]] = (
    (FaultKind.CUT, "postgres"),
    (FaultKind.FLUSH, "redis"),
    (FaultKind.READ_ONLY, "postgres"),
    (FaultKind.RESET, "postgres"),
    (FaultKind.HOLD, "redis"),
    (FaultKind.SKEW, "worker"),
    (FaultKind.RESET, "rail"),
    (FaultKind.STOP, "worker"),
    (FaultKind.TWO_BEATS, "beat"),
    (FaultKind.HOLD, "postgres"),
    (FaultKind.DELAY, "postgres"),
    (FaultKind.RESET, "api"),
    (FaultKind.DRIP, "rail"),
    (FaultKind.STOP, "redis"),
    (FaultKind.STOP, "api"),
    (FaultKind.RESET, "redis"),
    (FaultKind.HOLD, "rail"),
    (FaultKind.STOP, "postgres"),
    (FaultKind.DELAY, "redis"),
    (FaultKind.STOP, "relay"),
    (FaultKind.DRIP, "postgres"),
    (FaultKind.STOP, "simulator-mpesa"),
    (FaultKind.STOP, "worker-callbacks"),
    (FaultKind.DELAY, "rail"),
)
"""What is no kill; a run takes them in this order, so that a small one has the most telling."""

OTHERS_PER_KILL = 0.5


RESTORED = ((FaultKind.BACKUP, 0.4), (FaultKind.RESTORE, 0.55))
"""Where in a run it happens, as a share of its payments: those between the two are lost."""


def draw(options: Options) -> list[ChaosFault]:
    """The plan of a run: a pure function of its options."""
    chance = random.Random(options.seed)
    victims = list(VICTIMS[: options.kills])
    victims += [chance.choice(OFTEN) for _ in range(options.kills - len(victims))]
    count = max(round(options.kills * OTHERS_PER_KILL), min(4, options.kills))
    others = [OTHERS[number % len(OTHERS)] for number in range(count)]
    hit = [(FaultKind.KILL, victim) for victim in victims] + others
    chance.shuffle(hit)
    first = chance.choice((-2.0, 2.0))
    skews = itertools.cycle((first, -first))
    plan = [
        ChaosFault(
            kind=kind,
            part=part,
            seconds=_seconds(kind, chance),
            hours=next(skews) if kind is FaultKind.SKEW else 0.0,
            at=round((number + 0.5) / len(hit), 4),
        )
        for number, (kind, part) in enumerate(hit)
    ]
    if options.restore:
        plan += [ChaosFault(kind=kind, part="database", at=at) for kind, at in RESTORED]
    return sorted(plan, key=lambda fault: fault.at)


def _seconds(kind: FaultKind, chance: random.Random) -> float:
    if kind in (FaultKind.KILL, FaultKind.FLUSH):
        return 0.0
    if kind in (FaultKind.SKEW, FaultKind.TWO_BEATS):
        return round(chance.uniform(3.0, 6.0), 1)
    return round(chance.uniform(1.5, 5.0), 1)
