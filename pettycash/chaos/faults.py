"""The plan of faults: drawn from the seed before anything runs."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pettycash.chaos.options import Options


class Kind(StrEnum):
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


NETWORK = (Kind.DELAY, Kind.DRIP, Kind.HOLD, Kind.RESET)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `at` is the share of all payments that have been released when it comes."""

    kind: Kind
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

OTHERS: Sequence[tuple[Kind, str]] = (
    (Kind.CUT, "postgres"),
    (Kind.FLUSH, "redis"),
    (Kind.READ_ONLY, "postgres"),
    (Kind.RESET, "postgres"),
    (Kind.HOLD, "redis"),
    (Kind.SKEW, "worker"),
    (Kind.RESET, "rail"),
    (Kind.STOP, "worker"),
    (Kind.TWO_BEATS, "beat"),
    (Kind.HOLD, "postgres"),
    (Kind.DELAY, "postgres"),
    (Kind.RESET, "api"),
    (Kind.DRIP, "rail"),
    (Kind.STOP, "redis"),
    (Kind.STOP, "api"),
    (Kind.RESET, "redis"),
    (Kind.HOLD, "rail"),
    (Kind.STOP, "postgres"),
    (Kind.DELAY, "redis"),
    (Kind.STOP, "relay"),
    (Kind.DRIP, "postgres"),
    (Kind.STOP, "simulator-mpesa"),
    (Kind.STOP, "worker-callbacks"),
    (Kind.DELAY, "rail"),
)
"""What is no kill; a run takes them in this order, so that a small one has the most telling."""

OTHERS_PER_KILL = 0.5


RESTORED = ((Kind.BACKUP, 0.4), (Kind.RESTORE, 0.55))
"""Where in a run it happens, as a share of its payments: those between the two are lost."""


def draw(options: Options) -> list[Fault]:
    """The plan of a run: a pure function of its options."""
    chance = random.Random(options.seed)
    victims = list(VICTIMS[: options.kills])
    victims += [chance.choice(OFTEN) for _ in range(options.kills - len(victims))]
    count = max(round(options.kills * OTHERS_PER_KILL), min(4, options.kills))
    others = [OTHERS[number % len(OTHERS)] for number in range(count)]
    hit = [(Kind.KILL, victim) for victim in victims] + others
    chance.shuffle(hit)
    first = chance.choice((-2.0, 2.0))
    skews = itertools.cycle((first, -first))
    plan = [
        Fault(
            kind=kind,
            part=part,
            seconds=_seconds(kind, chance),
            hours=next(skews) if kind is Kind.SKEW else 0.0,
            at=round((number + 0.5) / len(hit), 4),
        )
        for number, (kind, part) in enumerate(hit)
    ]
    if options.restore:
        plan += [Fault(kind=kind, part="database", at=at) for kind, at in RESTORED]
    return sorted(plan, key=lambda fault: fault.at)


def _seconds(kind: Kind, chance: random.Random) -> float:
    if kind in (Kind.KILL, Kind.FLUSH):
        return 0.0
    if kind in (Kind.SKEW, Kind.TWO_BEATS):
        return round(chance.uniform(3.0, 6.0), 1)
    return round(chance.uniform(1.5, 5.0), 1)
