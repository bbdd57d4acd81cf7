"""What a benchmark is, and the goal that its figure is held against."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pettycash.lab.bench.stage import Stage

S = TypeVar("S")


class Sense(StrEnum):
    """On which side of its goal a figure has to be."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A bound on the ratio of measured to reference; without a reference, on the value itself."""

    bound: float
    sense: Sense

    def is_met(self, figure: float) -> bool:
        """Whether a figure is on the right side."""
        return figure >= self.bound if self.sense is Sense.AT_LEAST else figure <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.sense is Sense.AT_LEAST else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """The higher the better: rates."""
    return Goal(bound=bound, sense=Sense.AT_LEAST)


def at_most(bound: float) -> Goal:
    """The lower the better: times, memory."""
    return Goal(bound=bound, sense=Sense.AT_MOST)


@dataclass(frozen=True, kw_only=True)
class Benchmark(Generic[S]):
    """One line of the table."""

    name: str
    what: str
    """What is measured, in a few words."""
    against: str
    """What the reference does; empty where there is none."""
    unit: str
    goal: Goal
    setup: Callable[[Stage], S]
    """Makes what both sides need, once. What has to be cleaned up: `stage.enter(…)`."""
    measured: Callable[[S], float]
    """One round of it: prepares what it uses up, then times only the work itself."""
    reference: Callable[[S], float] | None = None
    """One round of what it is compared with, in the same unit."""
    rounds: int | None = None
    """How many rounds where that isn't for the caller to say: what settles in one, or is long."""
