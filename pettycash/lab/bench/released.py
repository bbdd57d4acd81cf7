"""Payments on their way through the whole stack: made, released together, waited for."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from pettycash import composition
from pettycash.lab.bench.stage import Stage
from pettycash.lab.chaos.paying import House, Paid
from pettycash.stack import children
from pettycash.stack.processes import Child
from pettycash.stack.state import StackError

WAIT_SECONDS = 60.0
TICK_SECONDS = 0.01

STATES = "SELECT count(*) FROM payments WHERE id = ANY (%s::uuid[]) AND status = 'success'"
ACCEPTED = """
    SELECT count(*) FROM payment_attempts
    WHERE payment_id = ANY (%s::uuid[]) AND state = 'accepted' AND conversation_id IS NOT NULL
"""


@dataclass
class HeldStack:
    """The running stack, and the relay, which can be made to wait."""

    house: House
    cursor: Any
    relay: Child
    made: int = field(default=0)

    def release(self, count: int) -> list[Paid]:
        """Make and release so many while the relay stands still; `go` sets them on their way."""
        self._signal(signal.SIGSTOP)
        paid = [self.house.pay(self.made + number) for number in range(1, count + 1)]
        self.made += count
        for each in paid:
            self.house.release(each)
        # A live database knows how large its tables are; plans of an empty one would be kept.
        self.cursor.execute("ANALYZE")
        return paid

    def go(self) -> float:
        """Let the relay run; the moment."""
        self._signal(signal.SIGCONT)
        return time.monotonic()

    def settled(self, paid: Sequence[Paid]) -> int:
        """How many of them are paid."""
        return self._count(STATES, paid)

    def accepted(self, paid: Sequence[Paid]) -> int:
        """Of how many the rail has said that it took them."""
        return self._count(ACCEPTED, paid)

    def forget_questions(self) -> None:
        """Complete what is due later (a fee is asked for), so that no round works for another."""
        self.cursor.execute(
            "UPDATE outbox_messages SET completed_at = now() WHERE completed_at IS NULL"
        )

    def _count(self, statement: str, paid: Sequence[Paid]) -> int:
        self.cursor.execute(statement, ([str(each.id) for each in paid],))
        return int(self.cursor.fetchone()[0])

    def _signal(self, number: signal.Signals) -> None:
        assert self.relay.process is not None, "it was started"
        self.relay.process.send_signal(number)


def open_line(stage: Stage, *, callback_delay: float | None = None) -> HeldStack:
    """Start the stack; where a delay is given, the rail calls back only after that long."""
    composition.compose(stage.settings)
    simulator = stage.spec("simulator-mpesa")
    if callback_delay is not None:
        late = ("--callback-delay", str(callback_delay))
        simulator = replace(simulator, command=[*simulator.command, *late])
    stage.launch([simulator])
    _, relay, *_ = stage.start("api", "relay", *children.WORKERS)
    return HeldStack(house=House.find(), cursor=stage.superuser().cursor(), relay=relay)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds.

    Raises:
        StackError: it did not in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise StackError(f"{what} took longer than {WAIT_SECONDS:.0f} s")
        time.sleep(TICK_SECONDS)


def keys(paid: Sequence[Paid]) -> dict[UUID, Paid]:
    """By payment id."""
    return {each.id: each for each in paid}
