"""The rail's side: the seeded plan of its faults, and the ledger that it keeps for itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests

from pettycash.lab.chaos.options import GATEWAY_RATES

SECONDS = 10
PAGE = 10_000


@dataclass(frozen=True)
class RailMovement:
    """Money that the rail has moved."""

    originator_reference: str
    provider_reference: str
    amount: Decimal
    phone: str


@dataclass(frozen=True)
class Said:
    """A callback that it has sent."""

    number: int
    originator_reference: str
    status: int | None
    """Of the answer; None where nobody was there."""


@dataclass(frozen=True)
class Calls:
    """How many calls the rail received, and how many of them met a fault of its plan."""

    received: int
    spoilt: int


class RailSide:
    """The simulator's own pages, asked round its door."""

    def __init__(self, url: str) -> None:
        self._pages = f"{url}/_sim"

    def misbehave(self, seed: int) -> None:
        """Let it follow the plan of this seed, by receiver: references are others in each run."""
        plan = {"seed": seed, "rates": dict(GATEWAY_RATES), "by": "phone"}
        requests.post(f"{self._pages}/plan", json=plan, timeout=SECONDS).raise_for_status()

    def behave(self) -> None:
        """No new fault; what a payment was given stays with it."""
        requests.delete(f"{self._pages}/plan", timeout=SECONDS).raise_for_status()

    def movements(self) -> list[RailMovement]:
        """Everything that it has paid."""
        return [
            RailMovement(
                originator_reference=each["originator_reference"],
                provider_reference=each["provider_reference"],
                amount=Decimal(each["amount"]),
                phone=each["phone"],
            )
            for each in self._rows("ledger", "movements")
        ]

    def callbacks(self) -> list[Said]:
        """Every callback that it has sent, or tried to."""
        return [
            Said(
                number=int(each["id"]),
                originator_reference=each["originator_reference"],
                status=each["http_status"],
            )
            for each in self._rows("callbacks", "callbacks")
            if each["attempted_at"] is not None
        ]

    def owes_callbacks(self) -> bool:
        """Whether it has yet to tell something: what comes late must change nothing."""
        answer = requests.get(f"{self._pages}/health", timeout=SECONDS)
        answer.raise_for_status()
        found = answer.json()
        return bool(found["callbacks_owed"] or found["work_owed"])

    def calls(self) -> Calls:
        """What was asked of it so far."""
        spoilt = [bool(each["scenario"]) for each in self._rows("requests", "requests")]
        return Calls(received=len(spoilt), spoilt=sum(spoilt))

    def _rows(self, page: str, name: str) -> Iterator[dict[str, Any]]:
        after = 0
        while True:
            answer = requests.get(
                f"{self._pages}/{page}",
                params={"after": str(after), "limit": str(PAGE)},
                timeout=60,
            )
            answer.raise_for_status()
            rows = answer.json()[name]
            if not rows:
                return
            yield from rows
            after = int(rows[-1]["id"])
