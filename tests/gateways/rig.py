"""A gateway, the simulator it pays through, and what both say."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from decimal import Decimal

from pettycash.gateways.base import (
    CallbackKind,
    CallbackUrls,
    Outcome,
    PayoutInstruction,
    ProviderAccountView,
)
from pettycash.gateways.kit.http import HttpLimits
from pettycash.gateways.mpesa import MpesaGateway
from tests.lab.simulators.daraja import Receiver, Simulator, new_phone, until

QUICK = HttpLimits(connect_seconds=1, read_seconds=1, total_seconds=1.5)
_numbers = itertools.count(int(time.time() * 1000) % 10**9 * 1000)


@dataclass
class Rig:
    """A gateway, the simulator it pays through, and the URLs that hear of it."""

    simulator: Simulator
    receiver: Receiver
    account: ProviderAccountView
    gateway: MpesaGateway

    def instruction(self, *, amount: str = "1500.00", phone: str = "") -> PayoutInstruction:
        reference = f"REQ-{next(_numbers)}"
        base = f"{self.receiver.url}/api/callbacks/{reference}"
        return PayoutInstruction(
            originator_reference=self.gateway.shape_reference(reference),
            amount=Decimal(amount),
            currency="KES",
            destination=phone or new_phone(),
            payee_name="Payee",
            remarks="Fuel",
            account=self.account,
            callbacks=CallbackUrls(
                result=f"{base}1/00a",
                timeout=f"{base}2/00b",
                query_result=f"{base}3/00c",
                query_timeout=f"{base}4/00d",
            ),
        )

    def with_fault(self, scenario: str, **instruction: str) -> PayoutInstruction:
        """An instruction whose first sending meets the fault."""
        made = self.instruction(**instruction)
        self.simulator.order(
            "faults", scenario=scenario, originator_reference=made.originator_reference
        )
        return made

    def heard(
        self, instruction: PayoutInstruction, purpose: CallbackKind, count: int = 1
    ) -> list[Outcome]:
        """Callbacks to one of the URLs, read, once there are so many."""
        url: str = getattr(instruction.callbacks, purpose.value)
        path = url.removeprefix(self.receiver.url)
        until(lambda: len(self.receiver.at(path)) >= count)
        return [
            self.gateway.read_callback(purpose, each.body, instruction)
            for each in self.receiver.at(path)
        ]

    def movements(self, instruction: PayoutInstruction) -> list[dict[str, str]]:
        return self.simulator.movements(instruction.originator_reference)

    def finish(self) -> None:
        """Wait until the rail has nothing more to do."""
        assert until(self._quiet, seconds=10)

    def _quiet(self) -> bool:
        health = self.simulator.page("health")
        return health["callbacks_owed"] == 0 and health["work_owed"] == 0
