"""What a run says at its end: one object for machines, two tables for people."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pettycash.lab.chaos.clients import Clients
from pettycash.lab.chaos.faults import FaultKind
from pettycash.lab.chaos.injecting import Met
from pettycash.lab.chaos.judge import Judgement
from pettycash.lab.chaos.options import BOUNDS, GATEWAY_RATES, SETTLE_SECONDS, TIMINGS, Options
from pettycash.lab.chaos.rail import Calls
from pettycash.lab.chaos.restoring import Lost
from pettycash.models.payments import PaymentStatus
from pettycash.runtime import config
from pettycash.stack.plan import ONE_MACHINE

SHOWN_MAX = 50
"""Breaks of one invariant that are printed."""

ORPHANS = "attempts of killed workers decided"
"""Among the recovery times: from the kill of a worker until what it had in hand was decided."""


@dataclass(frozen=True, kw_only=True)
class ChaosResult:
    """Everything that a run has seen."""

    options: Options
    faults: Sequence[Met]
    verdict: Judgement
    clients: Clients
    lost: Lost | None
    rail: Calls
    decided_seconds: Sequence[float]
    ended_by_themselves: Sequence[str]
    fire_seconds: float
    total_seconds: float
    state_dir: str

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept, every payment could be released, and most were paid."""
        paid = self.verdict.statuses.get(PaymentStatus.SUCCESS.value, 0)
        is_at_work = paid * 2 >= self.clients.released
        return self.verdict.is_good and self.unreleased == 0 and is_at_work

    @property
    def unreleased(self) -> int:
        """Payments that no client could release: the house was not open again."""
        return self.options.payments - self.clients.finished

    def as_json(self) -> dict[str, Any]:
        """The one object that `--json` prints."""
        verdict, told = self.verdict, self.clients.told
        return {
            "ok": self.is_good,
            "double": len(verdict.double),
            "lost": len(verdict.lost),
            "unbalanced": len(verdict.unbalanced),
            "undecided": len(verdict.undecided),
            "cases": sum(verdict.cases.values()),
            "kills": sum(each.fault.kind is FaultKind.KILL for each in self.faults),
            "gateway_faults": self.rail.spoilt,
            "recovery_seconds": self.recovery(),
            "gateway_calls": self.rail.received,
            "unreleased": self.unreleased,
            "seed": self.options.seed,
            "options": self.options.as_json(),
            "payments": {
                "released": self.clients.released,
                "unanswered_requests": told.unanswered,
                "refused": dict(told.refused),
                "by_status": verdict.statuses,
                "per_second": round(self.clients.released / max(self.fire_seconds, 0.001), 2),
            },
            "open_cases": verdict.cases,
            "told_by_cases": verdict.told[:SHOWN_MAX],
            "restore": self._restored(),
            "seconds": {
                "under_fire": round(self.fire_seconds, 1),
                "until_settled": round(verdict.settled_seconds, 1),
                "allowed_to_settle": SETTLE_SECONDS,
                "total": round(self.total_seconds, 1),
            },
            "faults": [each.as_json() for each in self.faults],
            "fault_table": [dict(zip(FAULT_COLUMNS, row, strict=True)) for row in self.rows()],
            "ended_by_themselves": list(self.ended_by_themselves),
            "invariants": {
                name.value: {"ok": not lines, "breaks": lines[:SHOWN_MAX]}
                for name, lines in verdict.invariants.items()
            },
            "settings": {**ONE_MACHINE, **TIMINGS, **BOUNDS},
            "other_limits": config.other_limits({**ONE_MACHINE, **BOUNDS}),
            "gateway_rates": dict(GATEWAY_RATES),
            "state_dir": self.state_dir,
        }

    def _restored(self) -> dict[str, Any] | None:
        if self.lost is None:
            return None
        told = self.clients.told
        return self.lost.as_json() | {
            "raised_anew": told.raised_anew,
            "paid_already": len(told.paid_already),
            "held_back_by_lost_callbacks": len(told.held_back),
            "movements_of_the_lost_time": self.verdict.of_the_lost_time,
        }

    def recovery(self) -> dict[str, dict[str, float]]:
        """Seconds from the end of each kind of fault until its part worked again."""
        seen: dict[str, list[float]] = defaultdict(list)
        for each in self.faults:
            if each.recovery_seconds is not None:
                seen[each.fault.name].append(each.recovery_seconds)
        if self.decided_seconds:
            seen[ORPHANS] = list(self.decided_seconds)
        return {name: _spread(seconds) for name, seconds in sorted(seen.items())}

    def rows(self) -> list[tuple[object, ...]]:
        """The table of faults."""
        by_name: dict[str, list[Met]] = defaultdict(list)
        for each in self.faults:
            by_name[each.fault.name].append(each)
        rows: list[tuple[object, ...]] = []
        for name, found in sorted(by_name.items()):
            seconds = [each.recovery_seconds for each in found if each.recovery_seconds is not None]
            rows.append(
                (
                    name,
                    len(found),
                    sum(each.detected for each in found),
                    sum(each.healed for each in found),
                    round(max(seconds), 1) if seconds else None,
                )
            )
        spoilt = self.rail.spoilt
        healed = max(0, spoilt - len(self.verdict.undecided))
        rows.append(("gateway (seeded plan)", spoilt, spoilt, healed, None))
        return rows


FAULT_COLUMNS = ("fault", "count", "detected", "healed", "slowest recovery s")


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {
        "count": len(ordered),
        "median": round(ordered[len(ordered) // 2], 2),
        "p99": round(p99, 2),
        "max": round(ordered[-1], 2),
    }
