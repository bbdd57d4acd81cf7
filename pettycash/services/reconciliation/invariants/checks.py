"""A check is one query whose rows break one of the invariants I1 to I8."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

Rows = Callable[[Session], Iterable[Mapping[str, Any]]]
"""Gives what breaks a promise where one statement can't say it."""


class Invariant(StrEnum):
    """An invariant of the books."""

    I1 = "I1"  # money moves once: per reference, and per payment
    I2 = "I2"  # every movement has its success, every success its movement and its entry
    I3 = "I3"  # the books balance; balances are sums of postings, held is what may still leave
    I4 = "I4"  # what left for a rail, or was answered to a client, is on record
    I5 = "I5"  # what was written once has only grown, and what guards it stands
    I6 = "I6"  # nothing is forgotten: what is due is done, asked about, or a case
    I7 = "I7"  # floors and caps hold, or a case says why not
    I8 = "I8"  # nobody moves money alone, and no two people who should not


class Holds(StrEnum):
    """When a check has to find nothing."""

    ALWAYS = "always"  # at any instant, whatever process is dead
    RUNNING = "running"  # while the system runs: it measures how late something is
    SETTLED = "settled"  # once nothing is under way any more


@dataclass(frozen=True, kw_only=True)
class Check:
    """One query. `object_id` is required of its rows; the other columns are shown.

    It may name `:now`, `:late`, which is what was due then is overdue, and `:since`: what has not
    changed since then was looked at before.
    """

    name: str
    invariant: Invariant
    object_type: str
    """The kind of its rows; `table` and `periodic_job` are of no company."""
    query: str | Rows
    holds: Holds = Holds.ALWAYS
    fast: bool = False
    """True: costs grow with what is open, not with history, so the health check may ask it."""

    @property
    def is_of_schema(self) -> bool:
        """Whether its rows are the same for every company."""
        return self.object_type in ("table", "periodic_job")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row that breaks an invariant."""

    check: str
    object_type: str
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The findings of one check, and how long it took."""

    check: str
    invariant: Invariant
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it found nothing."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """As `audit books --json` prints it."""
        return {
            "invariant": self.invariant.value,
            "check": self.check,
            "ok": self.ok,
            "rows": [
                {"object_type": each.object_type, "object_id": each.object_id, **each.detail}
                for each in self.findings
            ],
            "seconds": round(self.seconds, 4),
        }
